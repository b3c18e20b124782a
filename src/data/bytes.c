/* bytes.c - see bytes.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "data/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "data/tar.h"

#define MAX_IMAGE_BYTES ((size_t)1 << 30)

/* The file that holds an item: its own, or the tar before the first '/'. malloc'ed. */
static char *file_of(const char *root, const gp_item *it)
{
    if (it->size == 0) return gp_path_join(root, it->path);
    char *tar = gp_sprintf("%.*s", (int)strcspn(it->path, "/"), it->path), *full = tar ? gp_path_join(root, tar) : NULL;
    free(tar);
    return full;
}

static bool read_at(int fd, void *to, size_t n, uint64_t at)
{
    for (size_t got = 0; got < n;) {
        const ssize_t k = pread(fd, (char *)to + got, n - got, (off_t)(at + got));
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        got += (size_t)k;
    }
    return true;
}

/* The header before the member must still say its size: an archive that was packed anew would give other bytes. */
static gopro_status member_bytes(char *to, const char *file, const gp_item *it, gopro_error *err)
{
    uint8_t h[512];
    uint64_t size = 0;
    int fd;
    GP_TRY(gp_open_read(&fd, file, err));
    const bool ok = read_at(fd, h, sizeof h, it->offset - 512) && gp_tar_header_ok(h, &size) && (size == it->size || size == 0) &&
                    read_at(fd, to, it->size, it->offset);
    close(fd);
    return ok ? GOPRO_OK : gp_fail(err, GOPRO_E_DATA, "'%s' has changed since it was listed; start again", it->path);
}

gopro_status gp_item_bytes(char **data, size_t *size, const char *root, const gp_item *it, gopro_error *err)
{
    *data = NULL;
    *size = 0;
    char *file = file_of(root, it);
    if (!file) return gp_fail_nomem(err, strlen(it->path), "a path");
    gopro_status st;
    if (it->size == 0) {
        st = gp_read_file(data, size, file, MAX_IMAGE_BYTES, err);
    } else if (it->size > MAX_IMAGE_BYTES || it->offset < 512) {
        st = gp_fail(err, GOPRO_E_DATA, "'%s' has %u bytes at %ju; expected at most 1 GiB after a header", it->path, it->size,
                     (uintmax_t)it->offset);
    } else if (!(*data = malloc((size_t)it->size + 1))) {
        st = gp_fail_nomem(err, it->size, "an image");
    } else {
        st = member_bytes(*data, file, it, err);
        (*data)[it->size] = '\0';
        *size = it->size;
    }
    free(file);
    if (st == GOPRO_OK) return GOPRO_OK;
    free(*data);
    *data = NULL;
    return gp_fail_in(err, GOPRO_E_DATA, "image");
}

gopro_status gp_item_read_least(gp_image *im, const char *root, const gp_item *it, uint32_t least, gopro_error *err)
{
    *im = (gp_image){0};
    char *data = NULL;
    size_t size = 0;
    GP_TRY(gp_item_bytes(&data, &size, root, it, err));
    gopro_status st = gp_image_decode_least(im, (const uint8_t *)data, size, least, err);
    free(data);
    if (st == GOPRO_OK) return GOPRO_OK;
    char *path = gp_path_join(root, it->path);
    st = gp_fail_in(err, GOPRO_E_DATA, "image '%s'", path ? path : it->path);
    free(path);
    return st;
}

bool gp_item_stat(gp_item_stamp *s, const char *root, const gp_item *it)
{
    struct stat sb;
    char *file = file_of(root, it);
    const bool ok = file && stat(file, &sb) == 0 && S_ISREG(sb.st_mode);
    free(file);
    *s = (gp_item_stamp){0};
    if (!ok) return false;
    s->size = it->size ? it->size : (uint64_t)sb.st_size;
    s->changed = sb.st_mtim;
    return it->size == 0 || (uint64_t)sb.st_size >= it->offset + it->size;
}

gopro_status gp_item_read(gp_image *im, const char *root, const gp_item *it, gopro_error *err)
{
    return gp_item_read_least(im, root, it, 0, err);
}
