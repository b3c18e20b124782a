/* source.c - what a dataset's path means: a folder, a list, an archive, one of the field's datasets; and which reader it needs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "data/dataset_int.h"
#include "data/known.h"

void gp_source_free(gp_source *s)
{
    free(s->path);
    free(s->root);
    free(s->domain);
    free(s->absolute);
    *s = (gp_source){0};
}

static bool ends_in(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static char *parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? gp_sprintf("%.*s", slash > path ? (int)(slash - path) : 1, path) : gp_strdup(".");
}

/* From any working folder; the last component stays, as a link's name says which dataset it is. */
static char *absolute(const char *path, const char *domain)
{
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    const bool dots = strcmp(last, ".") == 0 || strcmp(last, "..") == 0 || *last == '\0';
    char *up = dots ? gp_strdup(path) : parent(path), *real = up ? realpath(up, NULL) : NULL;
    char *full = !real ? gp_strdup(path) : dots ? gp_strdup(real) : gp_path_join(real, last);
    char *all = full && domain ? gp_sprintf("%s#%s", full, domain) : NULL;
    free(up);
    free(real);
    if (!domain) return full;
    free(full);
    return all;
}

/* s->path and s->known from a spec without domain; *found: there is something. */
static gopro_status find_path(gp_source *s, const char *spec, const gp_data_rules *r, bool *found, gopro_error *err)
{
    const gp_known *k = strchr(spec, '/') ? NULL : gp_known_by_name(spec);
    char *below = r && r->root ? gp_path_join(r->root, k ? k->folder : spec) : NULL;
    *found = true;
    if (below && (k || !gp_path_exists(spec)) && gp_path_exists(below)) {
        s->path = below;
        s->known = k;
        return GOPRO_OK;
    }
    if (gp_path_exists(spec)) {
        free(below);
        s->path = gp_strdup(spec);
        return s->path ? GOPRO_OK : gp_fail_nomem(err, strlen(spec), "a path");
    }
    *found = false;
    gopro_status st = GOPRO_OK;
    if (k && below)
        st = gp_fail(err, GOPRO_E_DATA, "dataset '%s': the folder '%s' does not exist; make it (or a link) with %s%s%s in it", spec, below,
                     k->images[0] ? k->images : "the images", k->split ? " and " : "", k->split ? k->split : "");
    else if (k)
        st = gp_fail(err, GOPRO_E_DATA, "dataset '%s': say with --root where the datasets lie; it is the folder '%s' there", spec,
                     k->folder);
    free(below);
    return st;
}

static gopro_status find_spec(gp_source *s, const char *spec, const gp_data_rules *r, gopro_error *err)
{
    bool found = false;
    GP_TRY(find_path(s, spec, r, &found, err));
    if (found) return GOPRO_OK;
    const char *hash = strrchr(spec, '#');
    if (hash && hash > spec && hash[1]) {
        char *base = gp_sprintf("%.*s", (int)(hash - spec), spec);
        s->domain = gp_strdup(hash + 1);
        gopro_status st = base && s->domain ? find_path(s, base, r, &found, err) : gp_fail_nomem(err, strlen(spec), "a path");
        free(base);
        if (st != GOPRO_OK || found) return st;
    }
    return gp_fail(err, GOPRO_E_DATA, "dataset '%s' does not exist; expected a folder, a list, or a name of 'gopro data list' with --root",
                   spec);
}

/* Only tars: shards of one dataset. */
static gopro_status is_shards(bool *yes, const char *path, gopro_error *err)
{
    char **in = NULL, **file = NULL;
    size_t n_in = 0, n_file = 0, tars = 0;
    GP_TRY(gp_list_apart(&in, &n_in, &file, &n_file, path, err));
    for (size_t i = 0; i < n_file; i++) tars += ends_in(file[i], ".tar");
    *yes = n_in == 0 && tars > 0;
    gp_list_free(&in, n_in);
    gp_list_free(&file, n_file);
    return GOPRO_OK;
}

static gopro_status folder_kind(gp_source *s, gopro_error *err)
{
    size_t n = strlen(s->path);
    while (n > 1 && s->path[n - 1] == '/') s->path[--n] = '\0';
    char *split = gp_path_join(s->path, "split.json");
    if (!split) return gp_fail_nomem(err, n, "a path");
    if (!s->known && gp_path_exists(split)) {
        s->kind = GP_SOURCE_SPLIT;
        s->root = s->path;
        s->path = split;
        return GOPRO_OK;
    }
    free(split);
    if (!s->known) s->known = gp_known_by_folder(s->path);
    s->root = s->known ? gp_known_images(s->known, s->path) : gp_strdup(s->path);
    if (!s->root) return gp_fail_nomem(err, n, "a path");
    bool shards = false;
    if (!s->known) GP_TRY(is_shards(&shards, s->path, err));
    s->kind = s->known ? GP_SOURCE_KNOWN : shards ? GP_SOURCE_SHARDS : GP_SOURCE_FOLDER;
    return GOPRO_OK;
}

/* A file's first bytes decide, not its name. */
static gopro_status file_kind(gp_source *s, gopro_error *err)
{
    uint8_t head[512] = {0};
    int fd;
    if (gp_open_read(&fd, s->path, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "dataset");
    const ssize_t got = read(fd, head, sizeof head);
    const size_t n = got > 0 ? (size_t)got : 0;
    close(fd);
    size_t i = n >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (i < n && (head[i] == ' ' || head[i] == '\n' || head[i] == '\r' || head[i] == '\t')) i++;
    static const struct {
        const char *magic, *tool;
    } packed[] = {{"\x1f\x8b", "gunzip"},
                  {"BZh", "bunzip2"},
                  {"\xfd"
                   "7zXZ",
                   "unxz"},
                  {"(\xb5/\xfd", "unzstd"},
                  {"PK\3\4", "unzip"}};
    for (size_t k = 0; k < GP_COUNT(packed); k++)
        if (n >= strlen(packed[k].magic) && memcmp(head, packed[k].magic, strlen(packed[k].magic)) == 0)
            return gp_fail(err, GOPRO_E_DATA, "'%s' is compressed; unpack it with %s first", s->path, packed[k].tool);
    if (n >= 262 && memcmp(head + 257, "ustar", 5) == 0)
        s->kind = GP_SOURCE_TAR;
    else if (ends_in(s->path, ".tar"))
        s->kind = GP_SOURCE_TAR;
    else if (i < n && (head[i] == '{' || head[i] == '['))
        s->kind = GP_SOURCE_SPLIT;
    else if (ends_in(s->path, ".json"))
        s->kind = GP_SOURCE_SPLIT;
    else if (gp_table_has_header((const char *)head, n == sizeof head ? n - 1 : n) || ends_in(s->path, ".csv") || ends_in(s->path, ".tsv"))
        s->kind = GP_SOURCE_TABLE;
    else
        return gp_fail(
            err, GOPRO_E_DATA,
            "'%s' is a file that is no dataset; expected a folder with one sub-folder per class, a table whose header names path and "
            "label, a split file or a tar",
            s->path);
    s->root = parent(s->path);
    if (!s->root) return gp_fail_nomem(err, strlen(s->path), "a path");
    const gp_known *k = s->kind == GP_SOURCE_SPLIT ? gp_known_by_folder(s->root) : NULL;
    if (k && k->split && ends_in(s->path, k->split)) {
        /* The published split file itself: its paths are relative to the folder of the images. */
        free(s->path);
        s->path = s->root;
        s->root = gp_known_images(k, s->path);
        s->known = k;
        s->kind = GP_SOURCE_KNOWN;
    }
    return s->root ? GOPRO_OK : gp_fail_nomem(err, 0, "a path");
}

gopro_status gp_source_find(gp_source *s, const char *spec, const gp_data_rules *r, gopro_error *err)
{
    *s = (gp_source){0};
    GP_TRY(find_spec(s, spec, r, err));
    GP_TRY(gp_path_is_dir(s->path) ? folder_kind(s, err) : file_kind(s, err));
    const bool inner = s->kind == GP_SOURCE_SPLIT && ends_in(s->path, "/split.json");
    s->absolute = absolute(inner ? s->root : s->path, s->domain);
    if (!s->absolute) return gp_fail_nomem(err, strlen(spec), "a path");
    if (s->domain && (s->kind == GP_SOURCE_SPLIT || s->kind == GP_SOURCE_KNOWN))
        return gp_fail(err, GOPRO_E_DATA, "'%s' has no domains, so '#%s' cannot be chosen", s->path, s->domain);
    return GOPRO_OK;
}

char *gp_source_name(const gp_source *s)
{
    if (s->known) return gp_strdup(s->known->name);
    const bool file = s->kind == GP_SOURCE_TABLE || s->kind == GP_SOURCE_TAR;
    char *real = realpath(file ? s->path : s->root, NULL);
    const char *full = real ? real : file ? s->path : s->root, *slash = strrchr(full, '/'), *last = slash && slash[1] ? slash + 1 : full;
    const char *dot = file ? strrchr(last, '.') : NULL;
    const int n = dot && dot > last ? (int)(dot - last) : (int)strlen(last);
    char *name = s->domain ? gp_sprintf("%.*s#%s", n, last, s->domain) : gp_sprintf("%.*s", n, last);
    free(real);
    return name;
}

/* ---- reading ---- */

static gopro_status read_text(char **text, size_t *size, const char *path, const char *what, gopro_error *err)
{
    return gp_read_file(text, size, path, GP_MAX_LIST_BYTES, err) == GOPRO_OK ? GOPRO_OK : gp_fail_in(err, GOPRO_E_DATA, "%s", what);
}

/* data.class_names, or classes.txt beside the images. */
static gopro_status own_names(gp_names **m, const gp_ds_build *b, const gp_source *s, gopro_error *err)
{
    if (b->rules.class_names) return gp_names_read(m, b->rules.class_names, err);
    char *path = gp_path_join(s->root, "classes.txt");
    if (!path) return gp_fail_nomem(err, 0, "a path");
    gopro_status st = gp_path_exists(path) && !gp_path_is_dir(path) ? gp_names_read(m, path, err) : GOPRO_OK;
    free(path);
    return st;
}

/* "train-0.tar", "imagenet1k-validation-00.tar", "wds_cars_test_0.tar": the word between -, _ and . that names a part. */
static gopro_status part_of_shard(gp_part *part, const char *folder, const char *name, gopro_error *err)
{
    *part = GP_PARTS;
    for (const char *s = name; *s;) {
        const size_t n = strcspn(s, "-_.");
        const gp_part p = gp_part_parse(s, n);
        if (p != GP_PARTS && *part != GP_PARTS && p != *part)
            return gp_fail(err, GOPRO_E_DATA, "'%s/%s' is named after %s and %s; rename it so that it says which of the two it is", folder,
                           name, gp_part_name[*part], gp_part_name[p]);
        if (p != GP_PARTS) *part = p;
        s += n + (s[n] != '\0');
    }
    return GOPRO_OK;
}

static gopro_status read_shards(gp_rows *r, const char *folder, gp_names **names, gopro_error *err)
{
    char **in = NULL, **file = NULL;
    size_t n_in = 0, n_file = 0;
    gopro_status st = gp_list_apart(&in, &n_in, &file, &n_file, folder, err);
    for (size_t i = 0; st == GOPRO_OK && i < n_file; i++) {
        if (!ends_in(file[i], ".tar")) continue;
        char *path = gp_path_join(folder, file[i]);
        gp_part part = GP_PARTS;
        st = path ? part_of_shard(&part, folder, file[i], err) : gp_fail_nomem(err, 0, "a path");
        if (st == GOPRO_OK) st = gp_rows_from_tar(r, path, file[i], part, names, err);
        free(path);
    }
    gp_list_free(&in, n_in);
    gp_list_free(&file, n_file);
    return st;
}

static gopro_status read_rows(gp_rows *r, const gp_source *s, gp_names **names, gopro_error *err)
{
    if (s->kind == GP_SOURCE_FOLDER) return gp_rows_from_folder(r, s->root, &(gp_folder_plan){.levels = true, .part = GP_PARTS}, err);
    if (s->kind == GP_SOURCE_SHARDS) return read_shards(r, s->root, names, err);
    if (s->kind == GP_SOURCE_TAR) {
        const char *slash = strrchr(s->path, '/');
        return gp_rows_from_tar(r, s->path, slash ? slash + 1 : s->path, GP_PARTS, names, err);
    }
    char *text = NULL;
    size_t size = 0;
    GP_TRY(read_text(&text, &size, s->path, "table", err));
    gopro_status st = gp_rows_from_table(r, text, size, s->path, err);
    free(text);
    return st;
}

static gopro_status by_rows(gp_ds_build *b, const gp_source *s, gopro_error *err)
{
    gp_names *names = NULL;
    gp_rows r;
    GP_TRY(gp_rows_init(&r, b, err));
    gopro_status st = own_names(&names, b, s, err);
    if (st == GOPRO_OK) st = read_rows(&r, s, &names, err);
    if (st == GOPRO_OK) st = gp_rows_finish(&r, &(gp_rows_plan){.what = s->path, .domain = s->domain, .names = names}, err);
    gp_rows_free(&r);
    gp_names_free(&names);
    return st;
}

/* Other names for the classes of a list that has labels already. */
static gopro_status rename_classes(gp_ds_build *b, gopro_error *err)
{
    if (!b->rules.class_names || b->n_classes == 0) return GOPRO_OK;
    gp_names *m = NULL;
    const char **names = NULL;
    size_t n = 0;
    bool listed;
    uint32_t *label = malloc(b->n_classes * sizeof *label);
    gopro_status st =
        label ? gp_names_read(&m, b->rules.class_names, err) : gp_fail_nomem(err, b->n_classes * sizeof *label, "class names");
    for (size_t k = 0; st == GOPRO_OK && k < b->n_classes; k++)
        if (!b->class_name[k]) st = gp_fail(err, GOPRO_E_DATA, "label %zu does not occur; expected labels from 0 without gaps", k);
    if (st == GOPRO_OK) st = gp_names_apply(m, label, &names, &n, &listed, b->class_name, b->n_classes, err);
    for (size_t k = 0; st == GOPRO_OK && k < b->n_classes; k++) {
        const char *name = names[label[k]];
        b->class_name[k] = gp_strings_add(b->pool, name, strlen(name));
        if (!b->class_name[k]) st = gp_fail_nomem(err, strlen(name), "class names");
    }
    free(names);
    free(label);
    gp_names_free(&m);
    return st;
}

gopro_status gp_source_read(gp_ds_build *b, const gp_source *s, gopro_error *err)
{
    if (s->kind == GP_SOURCE_KNOWN) {
        GP_TRY(gp_ds_from_known(b, s->known, s->path, err));
        return rename_classes(b, err);
    }
    if (s->kind != GP_SOURCE_SPLIT) return by_rows(b, s, err);
    char *text = NULL;
    size_t size = 0;
    GP_TRY(read_text(&text, &size, s->path, "split file", err));
    gopro_status st = gp_ds_from_json(b, text, size, s->path, err);
    free(text);
    return st == GOPRO_OK ? rename_classes(b, err) : st;
}
