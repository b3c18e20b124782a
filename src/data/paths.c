/* paths.c - which paths a list may name, valid UTF-8, and folder listings that tell folders from files without asking for each.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/str.h"
#include "data/dataset_int.h"

const char *const gp_part_name[GP_PARTS] = {"train", "val", "test"};

gp_part gp_part_parse(const char *s, size_t n)
{
    static const struct {
        const char *word;
        gp_part part;
    } known[] = {{"train", GP_PART_TRAIN},    {"training", GP_PART_TRAIN}, {"val", GP_PART_VAL},   {"valid", GP_PART_VAL},
                 {"validation", GP_PART_VAL}, {"dev", GP_PART_VAL},        {"test", GP_PART_TEST}, {"testing", GP_PART_TEST}};
    for (size_t i = 0; i < GP_COUNT(known); i++)
        if (strlen(known[i].word) == n && strncasecmp(known[i].word, s, n) == 0) return known[i].part;
    return GP_PARTS;
}

void gp_path_tidy(char *p)
{
    char *to = p;
    const char *s = p;
    if (*s == '/') *to++ = *s++;
    while (*s) {
        const size_t n = strcspn(s, "/");
        const bool last = s[n] == '\0';
        if (n > 0 && !(n == 1 && s[0] == '.')) {
            memmove(to, s, n);
            to += n;
            if (!last) *to++ = '/';
        }
        s += n + !last;
    }
    *to = '\0';
}

bool gp_path_inside(const char *p)
{
    if (p[0] == '\0' || p[0] == '/') return false;
    for (const char *s = p; *s;) {
        const char *e = strchrnul(s, '/');
        if (e - s == 2 && s[0] == '.' && s[1] == '.') return false;
        s = *e ? e + 1 : e;
    }
    return true;
}

/* Of nothing but "." and "/". */
static bool names_no_file(const char *p)
{
    while (*p == '/' || (*p == '.' && (p[1] == '/' || p[1] == '\0'))) p++;
    return *p == '\0';
}

gopro_status gp_path_check(const gp_ds_build *b, const char *p, gopro_error *err)
{
    if (names_no_file(p)) return gp_fail(err, GOPRO_E_DATA, "the path '%s' is not allowed: it %s", p, *p ? "names no file" : "is empty");
    if (!gp_utf8_ok(p, strlen(p))) return gp_fail(err, GOPRO_E_DATA, "the path '%s' is not valid UTF-8; rename the file", p);
    if (b->rules.any_path || gp_path_inside(p)) return GOPRO_OK;
    return gp_fail(err, GOPRO_E_DATA,
                   "the path '%s' is not allowed: it leads out of the dataset's folder; expected one relative to the list, without '..' "
                   "(data.any_path=1 allows it)",
                   p);
}

bool gp_utf8_ok(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + n;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        const size_t more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
        if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - p) <= more) return false;
        uint32_t c = *p++ & (0x3fu >> more);
        for (size_t i = 0; i < more; i++, p++) {
            if ((*p & 0xc0) != 0x80) return false;
            c = c << 6 | (*p & 0x3fu);
        }
        if (c < (more == 1 ? 0x80u : more == 2 ? 0x800u : 0x10000u) || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return false;
    }
    return true;
}

typedef struct list {
    char **v;
    size_t n, cap;
} list;

static bool append(list *l, const char *name)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        char **v = reallocarray(l->v, cap, sizeof *v);
        if (!v) return false;
        l->v = v;
        l->cap = cap;
    }
    if (!(l->v[l->n] = gp_strdup(name))) return false;
    l->n++;
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool entry_is_folder(const char *folder, const struct dirent *e)
{
    if (e->d_type == DT_DIR) return true;
    if (e->d_type != DT_LNK && e->d_type != DT_UNKNOWN) return false;
    char *full = gp_path_join(folder, e->d_name);
    const bool is = full && gp_path_is_dir(full);
    free(full);
    return is;
}

/* What file managers, network disks and file systems leave beside one's own files. */
static bool left_by_system(const char *name)
{
    static const char *const known[] = {"Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r",
                                        "__MACOSX",  "@eaDir",      "#recycle",    "lost+found"};
    static const char from_web[] = ":Zone.Identifier"; /* a stream of NTFS, as a file of its own */
    for (size_t i = 0; i < GP_COUNT(known); i++)
        if (strcasecmp(name, known[i]) == 0) return true;
    const size_t n = strlen(name), m = sizeof from_web - 1;
    return n > m && strcmp(name + n - m, from_web) == 0;
}

gopro_status gp_list_apart(char ***folders, size_t *n_folders, char ***files, size_t *n_files, const char *path, gopro_error *err)
{
    *folders = *files = NULL;
    *n_folders = *n_files = 0;
    list in = {0}, out = {0};
    gopro_status st = GOPRO_OK;
    DIR *d = opendir(path);
    if (!d) {
        gp_fail_errno(err, "could not open folder", path);
        return gp_fail_in(err, GOPRO_E_DATA, "dataset");
    }
    for (struct dirent *e; st == GOPRO_OK && (errno = 0, e = readdir(d));) {
        if (e->d_name[0] == '.' || left_by_system(e->d_name)) continue;
        if (!append(entry_is_folder(path, e) ? &in : &out, e->d_name)) st = gp_fail_nomem(err, in.cap + out.cap, "a folder's list");
    }
    if (st == GOPRO_OK && errno) {
        gp_fail_errno(err, "could not read folder", path);
        st = gp_fail_in(err, GOPRO_E_DATA, "dataset");
    }
    closedir(d);
    if (st != GOPRO_OK) {
        gp_list_free(&in.v, in.n);
        gp_list_free(&out.v, out.n);
        return st;
    }
    if (in.n) qsort(in.v, in.n, sizeof *in.v, compare);
    if (out.n) qsort(out.v, out.n, sizeof *out.v, compare);
    *folders = in.v, *n_folders = in.n;
    *files = out.v, *n_files = out.n;
    return GOPRO_OK;
}
