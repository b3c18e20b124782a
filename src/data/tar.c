/* tar.c - images in a tar, as WebDataset writes them: read forwards once, indexed by offset, never unpacked.
 * A sample is the files that share a name up to the first dot of its last component: an image and label.cls, .json or .txt beside it;
 * without these the folder is the class.  Old, ustar, GNU and pax headers are read.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/str.h"
#include "data/dataset_int.h"
#include "data/tar.h"
#include "image/image.h"

#define MAX_TEXT   ((size_t)1 << 20)   /* a long name, a pax header or a companion */
#define MAX_MEMBER ((uint64_t)1 << 30) /* of an image */

typedef struct tar {
    FILE *f;
    const char *path;
    uint64_t size, at; /* of the file; of the next header */
    gp_str name;       /* of the member, from whatever header gave it */
    gp_str long_name;  /* for the next member */
    uint64_t pax_size;
    bool has_long, has_pax_size;
} tar;

typedef struct member {
    char type;
    uint64_t offset, size;
} member;

/* Hashes of the stems that are done, to find files of one sample that do not follow each other. */
typedef struct stems {
    uint64_t *slot; /* 0: free */
    size_t n, cap;
} stems;

/* What is known of the sample being read. */
typedef struct sample {
    gp_str stem, image, cls, text, json_class, json_split, json_domain;
    uint64_t offset;
    uint32_t size;
    bool has_image;
    bool odd_json;            /* is no object, or its class, split or domain neither text nor a whole number */
    bool skipped;             /* its image, as it is empty or too large */
    bool another;             /* image of the stem that the sample before has too */
    stems images, companions; /* that were done */
} sample;

#define SPARSE "a sparse member, which is not supported; pack the files again without --sparse"

static gopro_status fail(const tar *t, const char *what, gopro_error *err)
{
    return gp_fail(err, GOPRO_E_DATA, "'%s' at byte %ju: %s", t->path, (uintmax_t)t->at, what);
}

/* Octal text, or GNU's base 256 for large numbers. */
static bool number(uint64_t *v, const uint8_t *s, size_t n)
{
    *v = 0;
    if (s[0] & 0x80) {
        if (s[0] != 0x80) return false; /* negative, or beyond 2^63 */
        for (size_t i = 1; i < n; i++) {
            if (*v >> 55) return false;
            *v = *v << 8 | s[i];
        }
        return true;
    }
    size_t i = 0;
    while (i < n && s[i] == ' ') i++;
    for (; i < n && s[i] >= '0' && s[i] <= '7'; i++) *v = *v << 3 | (uint64_t)(s[i] - '0');
    return i == n || s[i] == ' ' || s[i] == '\0';
}

bool gp_tar_header_ok(const uint8_t h[512], uint64_t *size)
{
    uint64_t want, sum = 0;
    if (!number(&want, h + 148, 8) || !number(size, h + 124, 12)) return false;
    for (size_t i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? ' ' : h[i];
    return sum == want;
}

static size_t field_len(const uint8_t *s, size_t n)
{
    const uint8_t *z = memchr(s, 0, n);
    return z ? (size_t)(z - s) : n;
}

static void take_name(tar *t, const uint8_t *h)
{
    t->name.len = 0;
    gp_str_addn(&t->name, "", 0);
    if (t->has_long) {
        size_t n = t->long_name.len;
        while (n && t->long_name.s[n - 1] == '\0') n--; /* GNU counts the end of its names */
        gp_str_addn(&t->name, t->long_name.s, n);
        return;
    }
    const size_t n_prefix = memcmp(h + 257, "ustar\0", 6) == 0 ? field_len(h + 345, 155) : 0;
    gp_str_addn(&t->name, (const char *)h + 345, n_prefix);
    if (n_prefix) gp_str_add(&t->name, "/");
    gp_str_addn(&t->name, (const char *)h, field_len(h, 100));
}

static gopro_status read_text(gp_str *out, tar *t, const member *m, gopro_error *err)
{
    if (m->size > MAX_TEXT)
        return gp_fail(err, GOPRO_E_DATA, "'%s' at byte %ju: a header, or text beside an image ('%s'), longer than 1 MiB", t->path,
                       (uintmax_t)m->offset, t->name.s ? t->name.s : "");
    char *buf = malloc((size_t)m->size + 1);
    if (!buf) return gp_fail_nomem(err, (size_t)m->size, "a text");
    gopro_status st = GOPRO_OK;
    if (fseeko(t->f, (off_t)m->offset, SEEK_SET) != 0 || fread(buf, 1, (size_t)m->size, t->f) != m->size)
        st = fail(t, "the archive ends in the middle of a member", err);
    out->len = 0;
    if (st == GOPRO_OK) gp_str_addn(out, buf, (size_t)m->size);
    free(buf);
    return st == GOPRO_OK && out->failed ? gp_fail_nomem(err, (size_t)m->size, "a text") : st;
}

/* "LEN key=value\n" records; only path and size matter here. */
static gopro_status read_pax(tar *t, const member *m, gopro_error *err)
{
    gp_str text = {0};
    gopro_status st = read_text(&text, t, m, err);
    for (size_t at = 0; st == GOPRO_OK && at < text.len;) {
        char *end, *eq;
        const unsigned long long n = text.s[at] >= '1' && text.s[at] <= '9' ? strtoull(text.s + at, &end, 10) : 0;
        if (n < 5 || n > text.len - at || *end != ' ' || text.s[at + n - 1] != '\n') {
            st = fail(t, "a damaged pax header", err);
            break;
        }
        char *key = end + 1, *stop = text.s + at + n - 1;
        eq = key < stop ? memchr(key, '=', (size_t)(stop - key)) : NULL;
        at += (size_t)n;
        if (!eq) continue;
        if (eq - key > 11 && memcmp(key, "GNU.sparse.", 11) == 0) {
            st = fail(t, SPARSE, err);
        } else if (eq - key == 4 && memcmp(key, "path", 4) == 0) {
            t->long_name.len = 0;
            gp_str_addn(&t->long_name, eq + 1, (size_t)(stop - eq - 1));
            t->has_long = true;
        } else if (eq - key == 4 && memcmp(key, "size", 4) == 0) {
            *stop = '\0';
            t->pax_size = strtoull(eq + 1, &end, 10);
            t->has_pax_size = true;
            if (eq[1] < '0' || eq[1] > '9' || *end) st = fail(t, "a damaged size in a pax header", err);
        }
    }
    gp_str_free(&text);
    return st;
}

/* After a block of zeros nothing follows but padding: what did, within a MiB, would be lost without a word. */
static gopro_status check_end(const tar *t, gopro_error *err)
{
    enum { PADDING = 1 << 20 };
    uint8_t block[512];
    const uint64_t end = t->size - t->at > PADDING ? t->at + PADDING : t->size;
    for (uint64_t at = t->at; at < end; at += sizeof block) {
        const size_t n = fread(block, 1, sizeof block, t->f);
        for (size_t i = 0; i < n; i++)
            if (block[i])
                return fail(t,
                            "the archive ends here, but more follows; were several archives put together? Give them as files of one folder",
                            err);
        if (n < sizeof block) break;
    }
    return GOPRO_OK;
}

/* The next member that is more than a header; *more false at the end. */
static gopro_status next_member(tar *t, member *m, bool *more, gopro_error *err)
{
    uint8_t h[512];
    t->has_long = t->has_pax_size = false;
    for (;;) {
        *more = false;
        if (t->at >= t->size) return GOPRO_OK;
        if (fseeko(t->f, (off_t)t->at, SEEK_SET) != 0 || fread(h, 1, 512, t->f) != 512) return fail(t, "the archive ends in a header", err);
        uint64_t size;
        bool blank = true;
        for (size_t i = 0; i < 512 && blank; i++) blank = h[i] == 0;
        if (blank) return check_end(t, err);
        if (!gp_tar_header_ok(h, &size)) return fail(t, "not a tar header; is the archive damaged or compressed?", err);
        if (t->has_pax_size && h[156] != 'x' && h[156] != 'L') size = t->pax_size;
        *m = (member){.type = (char)(h[156] ? h[156] : '0'), .offset = t->at + 512, .size = size};
        if (m->type >= '1' && m->type <= '6') m->size = size = 0; /* links, devices and folders have no bytes */
        if (size > t->size || m->offset > t->size - size) return fail(t, "a member is larger than the archive", err);
        if (m->type == 'L') {
            GP_TRY(read_text(&t->long_name, t, m, err));
            t->has_long = true;
        } else if (m->type == 'x') {
            GP_TRY(read_pax(t, m, err));
        } else if (m->type == 'S') {
            return fail(t, SPARSE, err);
        } else if (m->type != 'g' && m->type != 'K' && m->type != 'V') {
            take_name(t, h);
            if (t->name.failed) return gp_fail_nomem(err, t->name.len, "a name");
            if (t->name.len == 0) return fail(t, "a member without a name", err);
            if (memchr(t->name.s, 0, t->name.len)) return fail(t, "a name with a zero byte", err);
            t->at = m->offset + (size + 511) / 512 * 512;
            *more = true;
            return GOPRO_OK;
        }
        t->at = m->offset + (size + 511) / 512 * 512;
    }
}

/* ---- samples ---- */

static void set(gp_str *b, const char *s, size_t n)
{
    b->len = 0;
    gp_str_addn(b, s, n);
}

static void trim(gp_str *b)
{
    while (b->len && strchr(" \r\n\t", b->s[b->len - 1])) b->s[--b->len] = '\0';
}

/* From the folders of a name: the last is the class unless a companion said it; above stand a part and a domain, in either order. */
typedef struct folders {
    const char *cls, *domain;
    size_t n_cls, n_domain;
    gp_part part;
} folders;

static folders folders_of(const char *name, bool has_class)
{
    folders f = {.part = GP_PARTS};
    const char *end = strrchr(name, '/');
    for (int up = has_class ? 1 : 0; end && end > name && up < 3; up++) {
        const char *from = end;
        while (from > name && from[-1] != '/') from--;
        const size_t n = (size_t)(end - from);
        const gp_part part = up > 0 && f.part == GP_PARTS ? gp_part_parse(from, n) : GP_PARTS;
        if (up == 0)
            f.cls = from, f.n_cls = n;
        else if (part != GP_PARTS)
            f.part = part;
        else if (!f.domain && !(n == 1 && *from == '.'))
            f.domain = from, f.n_domain = n;
        end = from > name ? from - 1 : NULL;
    }
    return f;
}

static size_t stem_at(const stems *v, uint64_t h)
{
    size_t at = (size_t)h & (v->cap - 1);
    while (v->slot[at] && v->slot[at] != h) at = (at + 1) & (v->cap - 1);
    return at;
}

static bool stem_has(const stems *v, uint64_t h)
{
    return v->cap && v->slot[stem_at(v, h)];
}

static bool stem_add(stems *v, uint64_t h)
{
    if (2 * v->n >= v->cap) {
        stems more = {.cap = v->cap ? 2 * v->cap : 256};
        more.slot = calloc(more.cap, sizeof *more.slot);
        if (!more.slot) return false;
        for (size_t i = 0; i < v->cap; i++)
            if (v->slot[i]) more.slot[stem_at(&more, v->slot[i])] = v->slot[i];
        more.n = v->n;
        free(v->slot);
        *v = more;
    }
    const size_t at = stem_at(v, h);
    v->n += v->slot[at] == 0;
    v->slot[at] = h;
    return true;
}

/* A class read from a companion must not be missed because another sample stands between the two. */
static gopro_status check_apart(sample *s, const tar *t, gopro_error *err)
{
    const bool companion = s->cls.len || s->text.len || s->json_class.len || s->json_split.len || s->json_domain.len || s->odd_json;
    const uint64_t h = gp_hash(s->stem.s ? s->stem.s : "", s->stem.len) | 1;
    if (!s->has_image && !companion) return GOPRO_OK;
    const bool apart = (s->has_image && stem_has(&s->companions, h)) || (companion && stem_has(&s->images, h));
    if (apart && s->another)
        return gp_fail(err, GOPRO_E_DATA,
                       "'%s': sample '%s' has several images, one of them '%s'; expected one with each .cls, .json or .txt file", t->path,
                       s->stem.s, s->image.s ? s->image.s : "");
    if (apart)
        return gp_fail(err, GOPRO_E_DATA,
                       "'%s': the files of sample '%s' do not follow each other; pack them again in the order of their names (tar "
                       "--sort=name)",
                       t->path, s->stem.s);
    if (!s->has_image && s->cls.len && !s->skipped)
        return gp_fail(err, GOPRO_E_DATA, "'%s': '%s.cls' has no image beside it", t->path, s->stem.s);
    const bool kept = (!s->has_image || stem_add(&s->images, h)) && (!companion || stem_add(&s->companions, h));
    return kept ? GOPRO_OK : gp_fail_nomem(err, 0, "names of samples");
}

static gopro_status add_sample(gp_rows *r, sample *s, const tar *t, gp_part part, gopro_error *err)
{
    GP_TRY(check_apart(s, t, err));
    if (!s->has_image) return GOPRO_OK;
    const char *inside = strchr(s->image.s, '/') + 1; /* after the tar's own name */
    if (s->odd_json && s->cls.len == 0)               /* a .cls beside it decides */
        return gp_fail(err, GOPRO_E_DATA,
                       "'%s': '%s.json': expected a JSON object in which class, split and domain are text or whole numbers", t->path,
                       s->stem.s);
    const gp_str *from = s->cls.len ? &s->cls : s->json_class.len ? &s->json_class : s->text.len ? &s->text : NULL;
    folders f = folders_of(inside, from != NULL);
    if (part != GP_PARTS) f.part = part;
    if (from) f.cls = from->s, f.n_cls = from->len;
    if (s->json_domain.len) f.domain = s->json_domain.s, f.n_domain = s->json_domain.len;
    if (s->json_split.len) {
        f.part = gp_part_parse(s->json_split.s, s->json_split.len);
        if (f.part == GP_PARTS)
            return gp_fail(err, GOPRO_E_DATA, "'%s': the split '%s' of '%s' is none of train, val and test", t->path, s->json_split.s,
                           inside);
    }
    if (f.n_cls == 0)
        return gp_fail(
            err, GOPRO_E_DATA,
            "'%s': '%s' has no class; expected a .cls, .json or .txt file next to it in the archive (tar --sort=name), or a folder",
            t->path, inside);
    if (gp_rows_add(r, &(gp_row){.path = s->image.s, .offset = s->offset, .size = s->size, .part = (uint8_t)f.part}, f.cls, f.n_cls,
                    f.domain, f.n_domain, err) != GOPRO_OK)
        return gp_fail_in(err, GOPRO_E_DATA, "'%s'", t->path);
    return GOPRO_OK;
}

static void clear_sample(sample *s)
{
    s->stem.len = s->image.len = s->cls.len = s->text.len = s->json_class.len = s->json_split.len = s->json_domain.len = 0;
    s->has_image = s->odd_json = s->skipped = s->another = false;
}

static void free_sample(sample *s)
{
    gp_str_free(&s->stem);
    gp_str_free(&s->image);
    gp_str_free(&s->cls);
    gp_str_free(&s->text);
    gp_str_free(&s->json_class);
    gp_str_free(&s->json_split);
    gp_str_free(&s->json_domain);
    free(s->images.slot);
    free(s->companions.slot);
}

/* False for a value that is neither text nor a whole number: what it was meant to be cannot be told. */
static bool json_word(gp_str *out, const json_t *o, const char *const *key)
{
    for (; *key && out->len == 0; key++) {
        const json_t *v = json_object_get(o, *key);
        if (v && !json_is_null(v) && !json_is_string(v) && !json_is_integer(v)) return false;
        char text[32];
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_is_integer(v) ? json_integer_value(v) : 0);
        if (json_is_string(v))
            set(out, json_string_value(v), json_string_length(v));
        else if (json_is_integer(v))
            set(out, text, strlen(text));
    }
    return true;
}

static gopro_status read_json(sample *s, tar *t, const member *m, gopro_error *err)
{
    static const char *const cls[] = {"class", "classname", "class_name", "cls", "label", NULL}, *const split[] = {"split", NULL},
                             *const domain[] = {"domain", NULL};
    gp_str text = {0};
    json_error_t je;
    gopro_status st = read_text(&text, t, m, err);
    json_t *o = st == GOPRO_OK ? gp_json_load(text.s ? text.s : "", text.len, GP_JSON_FEW, &je) : NULL;
    /* An error only once it turns out to belong to an image. */
    s->odd_json = st == GOPRO_OK && !(json_is_object(o) && json_word(&s->json_class, o, cls) && json_word(&s->json_split, o, split) &&
                                      json_word(&s->json_domain, o, domain));
    json_decref(o);
    gp_str_free(&text);
    return st;
}

static gopro_status take_image(gp_ds_build *b, sample *s, tar *t, const member *m, const char *archive, gopro_error *err)
{
    const bool fits = m->size > 0 && m->size <= MAX_MEMBER;
    if (!fits && b->rules.skip_bad_images) {
        gp_logf(b->log, GP_LOG_WARN, "'%s': the image '%s' has %ju bytes: skipped", t->path, t->name.s, (uintmax_t)m->size);
        b->n_skipped++;
        s->skipped = true;
        return GOPRO_OK;
    }
    if (!fits)
        return gp_fail(err, GOPRO_E_DATA, "'%s': the image '%s' has %ju bytes; expected 1 to %ju (data.skip_bad=1 leaves it out)", t->path,
                       t->name.s, (uintmax_t)m->size, (uintmax_t)MAX_MEMBER);
    set(&s->image, archive, strlen(archive));
    gp_str_add(&s->image, "/");
    gp_str_add(&s->image, t->name.s);
    s->offset = m->offset;
    s->size = (uint32_t)m->size;
    s->has_image = true;
    return s->image.failed ? gp_fail_nomem(err, 0, "a path") : GOPRO_OK;
}

static gopro_status read_member(gp_rows *r, sample *s, tar *t, const member *m, const char *archive, gp_part part, gopro_error *err)
{
    const char *base = strrchr(t->name.s, '/') ? strrchr(t->name.s, '/') + 1 : t->name.s;
    if (base[0] == '.' || base[0] == '\0') return GOPRO_OK; /* "._x" of macOS and the like */
    if (gp_path_check(r->b, t->name.s, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "'%s'", t->path);
    const char *dot = strchr(base, '.');
    const size_t stem = dot ? (size_t)(dot - t->name.s) : t->name.len;
    const bool same = s->stem.len == stem && memcmp(s->stem.s ? s->stem.s : "", t->name.s, stem) == 0;
    const bool image = gp_image_known_name(t->name.s);
    if (!same || (image && s->has_image)) {
        GP_TRY(add_sample(r, s, t, part, err));
        clear_sample(s);
        set(&s->stem, t->name.s, stem);
        s->another = same;
    }
    if (image) return take_image(r->b, s, t, m, archive, err);
    const char *ext = dot ? dot : "";
    gp_str *to = strcmp(ext, ".cls") == 0 ? &s->cls : strcmp(ext, ".txt") == 0 ? &s->text : NULL;
    if (strcmp(ext, ".json") == 0) return read_json(s, t, m, err);
    if (!to || (to == &s->text && m->size > MAX_TEXT)) return GOPRO_OK; /* no class name is that long */
    GP_TRY(read_text(to, t, m, err));
    trim(to);
    return GOPRO_OK;
}

static bool is_class_list(const char *name)
{
    const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    return strcmp(base, "classes.txt") == 0 || strcmp(base, "classnames.txt") == 0;
}

static gopro_status read_class_list(gp_names **names, tar *t, const member *m, gopro_error *err)
{
    gp_str text = {0};
    gopro_status st = read_text(&text, t, m, err);
    if (st == GOPRO_OK && (st = gp_names_parse(names, text.s ? text.s : "", text.len, t->name.s, err)) != GOPRO_OK)
        st = gp_fail_in(err, GOPRO_E_DATA, "'%s'", t->path);
    gp_str_free(&text);
    return st;
}

static gopro_status read_all(gp_rows *r, tar *t, sample *s, const char *archive, gp_part part, gp_names **names, gopro_error *err)
{
    for (;;) {
        member m;
        bool more;
        GP_TRY(next_member(t, &m, &more, err));
        if (!more) return add_sample(r, s, t, part, err);
        const char *base = strrchr(t->name.s, '/') ? strrchr(t->name.s, '/') + 1 : t->name.s;
        if ((m.type == '1' || m.type == '2') && base[0] != '.' && gp_image_known_name(t->name.s))
            return gp_fail(err, GOPRO_E_DATA, "'%s': '%s' is a link; pack the files again with tar --dereference --hard-dereference",
                           t->path, t->name.s);
        if (m.type != '0' && m.type != '7') continue;
        if (!is_class_list(t->name.s))
            GP_TRY(read_member(r, s, t, &m, archive, part, err));
        else if (!*names)
            GP_TRY(read_class_list(names, t, &m, err));
    }
}

gopro_status gp_rows_from_tar(gp_rows *r, const char *path, const char *name, gp_part part, gp_names **names, gopro_error *err)
{
    tar t = {.path = path};
    sample s = {0};
    struct stat sb;
    int fd;
    if (gp_open_read(&fd, path, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "dataset");
    gopro_status st = GOPRO_OK;
    if (fstat(fd, &sb) != 0 || !(t.f = fdopen(fd, "rb"))) {
        st = gp_fail_errno(err, "could not open", path);
        close(fd);
    } else {
        t.size = (uint64_t)sb.st_size;
        st = read_all(r, &t, &s, name, part, names, err);
    }
    free_sample(&s);
    gp_str_free(&t.name);
    gp_str_free(&t.long_name);
    if (t.f) fclose(t.f);
    r->b->order = "the archive's";
    return st;
}
