/* file.c - mapping, reading and atomically replacing files; folders; locks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

static gp_stamp stamp_of(const struct stat *s)
{
    return (gp_stamp){(uint64_t)s->st_dev, (uint64_t)s->st_ino, (uint64_t)s->st_size, s->st_mtim};
}

static bool same_file(const gp_stamp *a, const gp_stamp *b)
{
    return a->device == b->device && a->inode == b->inode;
}

static bool same_time(const gp_stamp *a, const gp_stamp *b)
{
    return a->written.tv_sec == b->written.tv_sec && a->written.tv_nsec == b->written.tv_nsec;
}

bool gp_stamp_same(const gp_stamp *a, const gp_stamp *b)
{
    return same_file(a, b) && a->size == b->size && same_time(a, b);
}

static gopro_status changed(const char *path, gopro_error *err)
{
    return gp_fail(err, GOPRO_E_IO, "'%s' was changed while it was in use; start again when nothing writes to it", path);
}

gopro_status gp_stamp_check(const gp_stamp *was, const char *path, gopro_error *err)
{
    struct stat s;
    if (stat(path, &s) != 0) return GOPRO_OK;
    const gp_stamp is = stamp_of(&s);
    return !same_file(was, &is) || gp_stamp_same(was, &is) ? GOPRO_OK : changed(path, err);
}

/* Opens a regular file; a named pipe must not hang the program, hence O_NONBLOCK. */
static gopro_status open_regular(int *fd, gp_stamp *stamp, const char *path, gopro_error *err)
{
    struct stat s;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) return gp_fail_errno(err, "could not open", path);
    if (fstat(*fd, &s) != 0) {
        gp_fail_errno(err, "could not open", path);
    } else if (S_ISDIR(s.st_mode)) {
        gp_fail(err, GOPRO_E_IO, "could not open '%s': it is a folder, a file was expected", path);
    } else if (!S_ISREG(s.st_mode)) {
        gp_fail(err, GOPRO_E_IO, "could not open '%s': not a regular file", path);
    } else {
        *stamp = stamp_of(&s);
        return GOPRO_OK;
    }
    close(*fd);
    *fd = -1;
    return GOPRO_E_IO;
}

gopro_status gp_open_read(int *fd, const char *path, gopro_error *err)
{
    gp_stamp stamp;
    return open_regular(fd, &stamp, path, err);
}

gopro_status gp_map_open(gp_map *m, const char *path, gopro_error *err)
{
    int fd;
    gp_stamp stamp = {0};
    *m = (gp_map){0};
    GP_TRY(open_regular(&fd, &stamp, path, err));
    gopro_status st = GOPRO_OK;
    void *p = stamp.size > 0 ? mmap(NULL, stamp.size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (p == MAP_FAILED)
        st = gp_fail_errno(err, "could not map", path);
    else
        *m = (gp_map){p, stamp.size, stamp};
    close(fd);
    return st;
}

void gp_map_close(gp_map *m)
{
    if (m->data) munmap((void *)(uintptr_t)m->data, m->size);
    *m = (gp_map){0};
}

void gp_map_drop_pages(const gp_map *m)
{
    if (m->data) madvise((void *)(uintptr_t)m->data, m->size, MADV_DONTNEED);
}

static gopro_status too_large(const char *path, size_t max_bytes, gopro_error *err)
{
    return gp_fail(err, GOPRO_E_FORMAT, "'%s' is larger than %zu bytes, the most that is read of such a file", path, max_bytes);
}

/* Lines that are added at the end, as to a log, leave what was read as it was. */
static bool rewritten(int fd, const gp_stamp *before)
{
    struct stat s;
    if (fstat(fd, &s) != 0) return true;
    const gp_stamp after = stamp_of(&s);
    return after.size < before->size || (after.size == before->size && !same_time(before, &after));
}

gopro_status gp_read_file(char **data, size_t *size, const char *path, size_t max_bytes, gopro_error *err)
{
    int fd;
    size_t n = 0;
    gp_stamp before = {0};
    *data = NULL;
    *size = 0;
    GP_TRY(open_regular(&fd, &before, path, err));
    const size_t expected = before.size;
    gopro_status st = GOPRO_OK;
    char *buf = NULL;
    if (expected > max_bytes) {
        st = too_large(path, max_bytes, err);
        goto out;
    }
    buf = malloc(expected + 1);
    if (!buf) {
        st = gp_fail_nomem(err, expected, path);
        goto out;
    }
    while (n < expected) {
        ssize_t k = read(fd, buf + n, expected - n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) {
            st = gp_fail_errno(err, "could not read", path);
            goto out;
        }
        if (k == 0) break; /* it shrank meanwhile */
        n += (size_t)k;
    }
    if (n < expected || rewritten(fd, &before)) {
        st = changed(path, err);
        goto out;
    }
    buf[n] = '\0';
    *data = buf;
    *size = n;
    buf = NULL;
out:
    free(buf);
    close(fd);
    return st;
}

gopro_status gp_outfile_open(gp_outfile *f, const char *path, gopro_error *err)
{
    struct stat s;
    *f = (gp_outfile){0};
    /* What stands there is replaced, so it must be a file; a link is replaced, never followed: it may be in somebody else's folder. */
    if (stat(path, &s) == 0 && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode))
        return gp_fail(err, GOPRO_E_IO, "could not create '%s': a device or pipe of that name is there; name a file", path);
    f->path = gp_strdup(path);
    f->tmp = gp_sprintf("%s.tmp.%ld", path, (long)getpid());
    if (!f->path || !f->tmp) {
        gp_outfile_abort(f);
        return gp_fail_nomem(err, strlen(path), "a file name");
    }
    /* Whatever has that name is a left-over, or a link that somebody put there to have another file overwritten. */
    unlink(f->tmp);
    int fd = open(f->tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0) f->fp = fdopen(fd, "wb");
    if (f->fp) return GOPRO_OK;
    gp_fail_errno(err, "could not create", f->tmp);
    if (fd >= 0) {
        close(fd);
        unlink(f->tmp);
    }
    free(f->path);
    free(f->tmp);
    *f = (gp_outfile){0};
    return GOPRO_E_IO;
}

void gp_outfile_abort(gp_outfile *f)
{
    if (f->fp) {
        fclose(f->fp);
        unlink(f->tmp);
    }
    free(f->path);
    free(f->tmp);
    *f = (gp_outfile){0};
}

/* A new name is durable only when its folder is written too.  Some file systems cannot sync a folder: that is no failure. */
static bool sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = !slash ? gp_strdup(".") : slash == path ? gp_strdup("/") : gp_sprintf("%.*s", (int)(slash - path), path);
    if (!dir) return true;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (fd < 0) return true; /* a folder may be writable but not readable */
    bool ok = fsync(fd) == 0 || (errno != EIO && errno != ENOSPC);
    int saved = errno;
    close(fd);
    errno = saved;
    return ok;
}

gopro_status gp_outfile_commit(gp_outfile *f, gopro_error *err)
{
    gopro_status st = GOPRO_OK;
    bool failed_before = ferror(f->fp) != 0; /* errno of that write is gone */
    if (failed_before)
        st = gp_fail(err, GOPRO_E_IO, "could not write '%s': a write failed, the disk may be full", f->path);
    else if (fflush(f->fp) != 0 || (fsync(fileno(f->fp)) != 0 && errno != EINVAL && errno != ENOTSUP))
        st = gp_fail_errno(err, "could not write", f->path);
    if (fclose(f->fp) != 0 && st == GOPRO_OK) st = gp_fail_errno(err, "could not write", f->path);
    f->fp = NULL;
    if (st == GOPRO_OK && rename(f->tmp, f->path) != 0) st = gp_fail_errno(err, "could not replace", f->path);
    if (st != GOPRO_OK)
        unlink(f->tmp);
    else if (!sync_parent(f->path))
        st = gp_fail_errno(err, "could not write the folder of", f->path);
    gp_outfile_abort(f);
    return st;
}

gopro_status gp_write_file(const char *path, const void *data, size_t size, gopro_error *err)
{
    gp_outfile f;
    GP_TRY(gp_outfile_open(&f, path, err));
    if (size && fwrite(data, 1, size, f.fp) != size) {
        gp_fail_errno(err, "could not write", path);
        gp_outfile_abort(&f);
        return GOPRO_E_IO;
    }
    return gp_outfile_commit(&f, err);
}

gopro_status gp_mkdirs(const char *path, gopro_error *err)
{
    char *p = gp_strdup(path);
    if (!p) return gp_fail_nomem(err, strlen(path), "a folder name");
    gopro_status st = GOPRO_OK;
    for (char *s = p; *s && st == GOPRO_OK;) {
        s += strspn(s, "/");
        s += strcspn(s, "/");
        char c = *s;
        *s = '\0';
        /* EEXIST and, for folders above a mount or without permission, other codes are fine as long as it is a folder. */
        if (*p && mkdir(p, 0777) != 0) {
            int saved = errno;
            if (!gp_path_is_dir(p)) {
                errno = saved == EEXIST ? ENOTDIR : saved;
                st = gp_fail_errno(err, "could not create folder", p);
            }
        }
        *s = c;
    }
    free(p);
    return st;
}

bool gp_path_exists(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0;
}

bool gp_path_is_dir(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

bool gp_path_is_broken_link(const char *path)
{
    struct stat s;
    return lstat(path, &s) == 0 && S_ISLNK(s.st_mode) && stat(path, &s) != 0;
}

char *gp_path_join(const char *a, const char *b)
{
    if (!a || !*a || b[0] == '/') return gp_strdup(b);
    return gp_sprintf(a[strlen(a) - 1] == '/' ? "%s%s" : "%s/%s", a, b);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void gp_list_free(char ***names, size_t n)
{
    if (!names || !*names) return;
    for (size_t i = 0; i < n; i++) free((*names)[i]);
    free(*names);
    *names = NULL;
}

gopro_status gp_list_dir(char ***names, size_t *n, const char *path, gopro_error *err)
{
    *names = NULL;
    *n = 0;
    DIR *d = opendir(path);
    if (!d) return gp_fail_errno(err, "could not open folder", path);
    char **v = NULL;
    size_t count = 0, cap = 0;
    gopro_status st = GOPRO_OK;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            if (errno) st = gp_fail_errno(err, "could not read folder", path);
            break;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (count == cap) {
            size_t more = cap ? cap * 2 : 64;
            char **grown = reallocarray(v, more, sizeof *v);
            if (grown) {
                v = grown;
                cap = more;
            }
        }
        if (count == cap || !(v[count] = gp_strdup(e->d_name))) {
            st = gp_fail_nomem(err, cap * sizeof *v, "a folder's list");
            break;
        }
        count++;
    }
    closedir(d);
    if (st != GOPRO_OK) {
        gp_list_free(&v, count);
        return st;
    }
    if (count) qsort(v, count, sizeof *v, compare_names);
    *names = v;
    *n = count;
    return GOPRO_OK;
}

gopro_status gp_lock_dir(int *fd, const char *folder, gopro_error *err)
{
    *fd = -1;
    char *path = gp_path_join(folder, ".lock");
    if (!path) return gp_fail_nomem(err, strlen(folder), "a file name");
    int f = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    gopro_status st = GOPRO_OK;
    if (f < 0) {
        st = gp_fail_errno(err, "could not open", path);
    } else if (flock(f, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            st = gp_fail(err, GOPRO_E_INVALID, "folder in use: another process holds '%s'; wait for it or choose another folder", path);
        else
            st = gp_fail_errno(err, "could not lock", path);
        close(f);
    } else {
        *fd = f;
    }
    free(path);
    return st;
}

void gp_unlock(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}
