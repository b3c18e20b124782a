/* file.h - reading, mapping and atomically replacing files; folders; locks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_FILE_H
#define GP_FILE_H

#include <stdio.h>
#include <time.h>

#include "base/error.h"

/* Which file it was, and when it was written to last. */
typedef struct gp_stamp {
    uint64_t device, inode, size;
    struct timespec written;
} gp_stamp;
bool gp_stamp_same(const gp_stamp *a, const gp_stamp *b);
/* IO error if the file was written to, or cut off, since it was stamped.  Another file under its name is no matter: what was opened then
 * is what it was. */
gopro_status gp_stamp_check(const gp_stamp *s, const char *path, gopro_error *err);

typedef struct gp_map {
    const uint8_t *data;
    size_t size;
    gp_stamp stamp; /* when it was opened */
} gp_map;

gopro_status gp_map_open(gp_map *m, const char *path, gopro_error *err); /* read-only mapping; an empty file maps to size 0 */
void gp_map_close(gp_map *m);
/* The pages leave memory until they are read again: for files that were read once, so that they do not count as used. */
void gp_map_drop_pages(const gp_map *m);

/* A regular file, to be closed with close(); anything else is refused, a named pipe without waiting for a writer. */
gopro_status gp_open_read(int *fd, const char *path, gopro_error *err);

/* Whole file into malloc'ed memory with a NUL after it (not counted); FORMAT error above max_bytes, IO error if it is written to meanwhile
 * (what is added at its end is left for another time). */
gopro_status gp_read_file(char **data, size_t *size, const char *path, size_t max_bytes, gopro_error *err);

/* A file that appears under its name only when complete: written as "<path>.tmp.<pid>", synced, renamed by commit; removed by
 * abort.  After commit or abort f is zeroed. */
typedef struct gp_outfile {
    FILE *fp;
    char *path, *tmp;
} gp_outfile;
gopro_status gp_outfile_open(gp_outfile *f, const char *path, gopro_error *err);
gopro_status gp_outfile_commit(gp_outfile *f, gopro_error *err); /* also reports a full disk */
void gp_outfile_abort(gp_outfile *f);
gopro_status gp_write_file(const char *path, const void *data, size_t size, gopro_error *err); /* the three in one */

gopro_status gp_mkdirs(const char *path, gopro_error *err); /* like mkdir -p */
bool gp_path_exists(const char *path);
bool gp_path_is_dir(const char *path);
bool gp_path_is_broken_link(const char *path);    /* a link to nothing, or in a circle */
char *gp_path_join(const char *a, const char *b); /* malloc'ed "a/b"; b alone if absolute or a is NULL or empty */

/* Names in a folder without "." and "..", sorted bytewise; names and the array in one malloc'ed block each, free with gp_list_free. */
gopro_status gp_list_dir(char ***names, size_t *n, const char *path, gopro_error *err);
void gp_list_free(char ***names, size_t n);

/* An exclusive lock on "<folder>/.lock", held until gp_unlock or process end; INVALID "folder in use" if another process has it. */
gopro_status gp_lock_dir(int *fd, const char *folder, gopro_error *err);
void gp_unlock(int *fd);

#endif
