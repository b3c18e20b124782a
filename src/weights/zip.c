/* zip.c - see zip.h.  The central directory at the end of the file is believed only after every entry was checked against the file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "weights/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    END_SIZE = 22,     /* end of central directory, without its comment */
    LOCATOR_SIZE = 20, /* of the zip64 end record */
    END64_SIZE = 56,   /* zip64 end record, its fixed part */
    CENTRAL_SIZE = 46, /* of a directory entry, without name, extra fields and comment */
    LOCAL_SIZE = 30,   /* of the header before an entry's data */
    MAX_ENTRIES = 1 << 20,
    MAX_NAME = 1024
};

typedef struct reader {
    const uint8_t *data;
    size_t size;
    const char *label;
    gopro_error *err;
} reader;

typedef struct span {
    size_t begin, end;
    const char *name;
} span;

static uint16_t u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t u64(const uint8_t *p)
{
    return (uint64_t)u32(p) | (uint64_t)u32(p + 4) << 32;
}

bool gp_zip_looks_like(const uint8_t *data, size_t size)
{
    return size >= 4 && (u32(data) == 0x04034b50u || u32(data) == 0x06054b50u);
}

static gopro_status bad(const reader *r, const char *name, const char *rule)
{
    return gp_fail(r->err, GOPRO_E_FORMAT, "%s: zip entry '%.200s': %s", r->label, name, rule);
}

typedef struct directory {
    uint64_t at, size, n;
    size_t limit; /* where the records after the directory begin */
} directory;

static gopro_status find_end64(const reader *r, size_t end, directory *d)
{
    const uint8_t *locator = end >= LOCATOR_SIZE ? r->data + end - LOCATOR_SIZE : NULL;
    if (!locator || u32(locator) != 0x07064b50u) return GOPRO_OK; /* the plain record holds the numbers */
    uint64_t at = u64(locator + 8);
    if (at > end - LOCATOR_SIZE || end - LOCATOR_SIZE - at < END64_SIZE || u32(r->data + at) != 0x06064b50u)
        return gp_fail(r->err, GOPRO_E_FORMAT, "%s: the zip64 end record is not where its locator says", r->label);
    const uint8_t *p = r->data + at;
    if (u32(p + 16) != 0 || u32(p + 20) != 0 || u64(p + 24) != u64(p + 32))
        return gp_fail(r->err, GOPRO_E_FORMAT, "%s: a zip archive over several disks is not supported", r->label);
    *d = (directory){.n = u64(p + 32), .size = u64(p + 40), .at = u64(p + 48), .limit = (size_t)at};
    return GOPRO_OK;
}

static gopro_status find_directory(const reader *r, directory *d)
{
    size_t lowest = r->size > END_SIZE + 65535u ? r->size - END_SIZE - 65535u : 0, at = r->size;
    const uint8_t *p = NULL;
    for (at = r->size >= END_SIZE ? r->size - END_SIZE + 1 : 0; at > lowest && !p;) {
        at--;
        if (u32(r->data + at) == 0x06054b50u && u16(r->data + at + 20) == r->size - at - END_SIZE) p = r->data + at;
    }
    if (!p) return gp_fail(r->err, GOPRO_E_FORMAT, "%s: the zip archive has no directory at its end; is the file cut off?", r->label);
    if (u16(p + 4) != 0 || u16(p + 6) != 0 || u16(p + 8) != u16(p + 10))
        return gp_fail(r->err, GOPRO_E_FORMAT, "%s: a zip archive over several disks is not supported", r->label);
    *d = (directory){.n = u16(p + 10), .size = u32(p + 12), .at = u32(p + 16), .limit = at};
    GP_TRY(find_end64(r, at, d));
    if (d->at > d->limit || d->size > d->limit - d->at)
        return gp_fail(r->err, GOPRO_E_FORMAT, "%s: the zip directory (%llu bytes at %llu) lies outside the file", r->label,
                       (unsigned long long)d->size, (unsigned long long)d->at);
    if (d->n > MAX_ENTRIES || d->n * CENTRAL_SIZE > d->size)
        return gp_fail(r->err, GOPRO_E_FORMAT, "%s: %llu zip entries do not fit into a directory of %llu bytes", r->label,
                       (unsigned long long)d->n, (unsigned long long)d->size);
    return GOPRO_OK;
}

/* Sizes and offset of 0xffffffff stand in the zip64 extra field, in this order. */
static gopro_status zip64_fields(const reader *r, const char *name, const uint8_t *extra, size_t n, uint64_t v[3])
{
    while (n >= 4) {
        size_t id = u16(extra), len = u16(extra + 2);
        if (len > n - 4) return bad(r, name, "an extra field runs past its end");
        const uint8_t *p = extra + 4;
        for (int i = 0; id == 1 && i < 3; i++) {
            if (v[i] != 0xffffffffu) continue;
            if (len < 8) return bad(r, name, "its zip64 field is too short");
            v[i] = u64(p);
            p += 8;
            len -= 8;
        }
        len = u16(extra + 2);
        if (id == 1) return GOPRO_OK;
        extra += 4 + len;
        n -= 4 + len;
    }
    return GOPRO_OK;
}

/* From a directory entry to the entry's bytes. */
static gopro_status locate(const reader *r, gp_zip_entry *e, span *s, const uint8_t *c, const uint64_t v[3], size_t limit)
{
    const char *name = e->name;
    size_t packed = (size_t)v[1], at = (size_t)v[2];
    if (at > limit || limit - at < LOCAL_SIZE) return bad(r, name, "its header lies outside the file");
    const uint8_t *p = r->data + at;
    size_t n_name = u16(p + 26), n_extra = u16(p + 28), head = LOCAL_SIZE + n_name + n_extra;
    if (u32(p) != 0x04034b50u) return bad(r, name, "there is no header where the directory says");
    if (limit - at < head || packed > limit - at - head)
        return gp_fail(r->err, GOPRO_E_FORMAT, "%s: zip entry '%.200s': its %zu bytes run past the end of the data; is the file cut off?",
                       r->label, name, packed);
    if (n_name != strlen(name) || memcmp(p + LOCAL_SIZE, name, n_name) != 0) return bad(r, name, "its own header has another name");
    e->compressed = u16(c + 10) != 0;
    if (e->compressed != (u16(p + 8) != 0)) return bad(r, name, "directory and header disagree on compression");
    e->size = (size_t)v[0];
    e->crc = u32(c + 16);
    if (!e->compressed) {
        if (v[0] != v[1]) return bad(r, name, "it is stored, but its two sizes differ");
        e->data = p + head;
    }
    *s = (span){at, at + head + packed, name};
    return GOPRO_OK;
}

static gopro_status read_entry(const reader *r, gp_zip_entry *e, span *s, const directory *d, size_t *at)
{
    size_t end = (size_t)(d->at + d->size);
    if (end - *at < CENTRAL_SIZE) return gp_fail(r->err, GOPRO_E_FORMAT, "%s: the zip directory ends within an entry", r->label);
    const uint8_t *c = r->data + *at;
    size_t n_name = u16(c + 28), n_extra = u16(c + 30), n_comment = u16(c + 32);
    if (u32(c) != 0x02014b50u) return gp_fail(r->err, GOPRO_E_FORMAT, "%s: the zip directory is damaged at byte %zu", r->label, *at);
    if (end - *at - CENTRAL_SIZE < n_name + n_extra + n_comment)
        return gp_fail(r->err, GOPRO_E_FORMAT, "%s: the zip directory ends within an entry", r->label);
    const uint8_t *name = c + CENTRAL_SIZE;
    if (n_name == 0 || n_name > MAX_NAME || memchr(name, 0, n_name))
        return gp_fail(r->err, GOPRO_E_FORMAT, "%s: a zip entry's name is empty, longer than %d bytes or holds a zero byte", r->label,
                       (int)MAX_NAME);
    e->name = malloc(n_name + 1);
    if (!e->name) return gp_fail_nomem(r->err, n_name, r->label);
    memcpy(e->name, name, n_name);
    e->name[n_name] = '\0';
    if (u16(c + 8) & 1) return bad(r, e->name, "it is encrypted");
    uint64_t v[3] = {u32(c + 24), u32(c + 20), u32(c + 42)}; /* size, size in the file, offset */
    GP_TRY(zip64_fields(r, e->name, name + n_name, n_extra, v));
    *at += CENTRAL_SIZE + n_name + n_extra + n_comment;
    return locate(r, e, s, c, v, (size_t)d->at);
}

static int by_begin(const void *a, const void *b)
{
    const span *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const gp_zip_entry *)a)->name, ((const gp_zip_entry *)b)->name);
}

static gopro_status read_all(gp_zip *z, const reader *r)
{
    directory d = {0};
    GP_TRY(find_directory(r, &d));
    size_t at = (size_t)d.at, n = (size_t)d.n;
    span *s = calloc(n + 1, sizeof *s);
    z->entry = calloc(n + 1, sizeof *z->entry);
    gopro_status st = s && z->entry ? GOPRO_OK : gp_fail_nomem(r->err, n * sizeof *s, r->label);
    for (size_t i = 0; i < n && st == GOPRO_OK; i++) st = read_entry(r, &z->entry[z->n++], &s[i], &d, &at);
    if (st == GOPRO_OK && at != d.at + d.size)
        st = gp_fail(r->err, GOPRO_E_FORMAT, "%s: the zip directory holds more than its %zu entries", r->label, n);
    if (st == GOPRO_OK && n) qsort(s, n, sizeof *s, by_begin);
    for (size_t i = 1; i < n && st == GOPRO_OK; i++)
        if (s[i].begin < s[i - 1].end)
            st = gp_fail(r->err, GOPRO_E_FORMAT, "%s: zip entries '%.200s' and '%.200s' overlap", r->label, s[i - 1].name, s[i].name);
    free(s);
    GP_TRY(st);
    if (n) qsort(z->entry, n, sizeof *z->entry, by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(z->entry[i - 1].name, z->entry[i].name) == 0) return bad(r, z->entry[i].name, "this name is there twice");
    return GOPRO_OK;
}

gopro_status gp_zip_open(gp_zip *z, const uint8_t *data, size_t size, const char *label, gopro_error *err)
{
    reader r = {data, size, label, err};
    *z = (gp_zip){0};
    gopro_status st = read_all(z, &r);
    if (st != GOPRO_OK) gp_zip_close(z);
    return st;
}

void gp_zip_close(gp_zip *z)
{
    for (size_t i = 0; i < z->n; i++) free(z->entry[i].name);
    free(z->entry);
    *z = (gp_zip){0};
}

const gp_zip_entry *gp_zip_find(const gp_zip *z, const char *name)
{
    gp_zip_entry key = {.name = (char *)(uintptr_t)name};
    return z->n ? bsearch(&key, z->entry, z->n, sizeof *z->entry, by_name) : NULL;
}

gopro_status gp_zip_intact(const gp_zip_entry *e, const char *label, gopro_error *err)
{
    if (!e->data || e->crc == 0 || crc32_z(0, e->data, e->size) == e->crc) return GOPRO_OK;
    return gp_fail(err, GOPRO_E_FORMAT,
                   "%s: zip entry '%.200s': its bytes are not those that were written (CRC-32); the file is damaged, fetch it again", label,
                   e->name);
}
