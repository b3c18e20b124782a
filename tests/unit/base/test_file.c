/* test_file.c - atomic replacement, full disk, mapping, folders and locks.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "scratch.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    scratch_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

static void expect_content(const char *path, const char *want)
{
    char *data;
    size_t n;
    gopro_error err;
    assert_int_equal(gp_read_file(&data, &n, path, 1000, &err), GOPRO_OK);
    assert_int_equal(n, strlen(want));
    assert_string_equal(data, want); /* with the NUL after it */
    free(data);
}

static size_t count_files(void)
{
    char **names;
    size_t n;
    assert_int_equal(gp_list_dir(&names, &n, dir, NULL), GOPRO_OK);
    gp_list_free(&names, n);
    return n;
}

static void test_atomic_replace(void **state)
{
    (void)state;
    gopro_error err;
    gp_outfile f;
    char *path = gp_path_join(dir, "a.txt");
    assert_int_equal(gp_write_file(path, "old", 3, &err), GOPRO_OK);
    expect_content(path, "old");

    assert_int_equal(gp_outfile_open(&f, path, &err), GOPRO_OK);
    fputs("new", f.fp);
    fflush(f.fp);
    expect_content(path, "old"); /* nothing shows before commit */
    assert_int_equal(count_files(), 2);
    gp_outfile_abort(&f);
    assert_null(f.fp);
    expect_content(path, "old");
    assert_int_equal(count_files(), 1);
    gp_outfile_abort(&f); /* harmless again */

    assert_int_equal(gp_outfile_open(&f, path, &err), GOPRO_OK);
    fputs("new", f.fp);
    assert_int_equal(gp_outfile_commit(&f, &err), GOPRO_OK);
    expect_content(path, "new");
    assert_int_equal(count_files(), 1);

    char *nowhere = gp_path_join(dir, "no/such/a.txt");
    assert_int_equal(gp_write_file(nowhere, "x", 1, &err), GOPRO_E_IO);
    assert_non_null(strstr(err.msg, "no/such/a.txt"));
    free(nowhere);
    free(path);
}

/* A file size limit stands in for a full disk: the write fails late, inside commit. */
static void test_failed_write(void **state)
{
    (void)state;
    gopro_error err;
    gp_outfile f;
    char *path = gp_path_join(dir, "b.txt");
    struct rlimit old, limit;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = old;
    limit.rlim_cur = 100;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    char text[500];
    memset(text, 'x', sizeof text);
    gopro_status opened = gp_outfile_open(&f, path, &err);
    if (opened == GOPRO_OK) fwrite(text, 1, sizeof text, f.fp); /* stays in the buffer */
    gopro_status st = opened == GOPRO_OK ? gp_outfile_commit(&f, &err) : opened;
    char *big = calloc(1, 1 << 16);
    gopro_error err2, err3;
    gopro_status st3 = gp_outfile_open(&f, path, &err3);
    if (st3 == GOPRO_OK) { /* the error comes while writing, and the writer did not look */
        setvbuf(f.fp, NULL, _IONBF, 0);
        fwrite(text, 1, 200, f.fp);
        st3 = gp_outfile_commit(&f, &err3);
    }
    gopro_status st2 = gp_write_file(path, big, 1 << 16, &err2);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(opened, GOPRO_OK);
    assert_int_equal(st, GOPRO_E_IO);
    assert_non_null(strstr(err.msg, "b.txt"));
    assert_int_equal(st2, GOPRO_E_IO);
    assert_non_null(strstr(err2.msg, "b.txt"));
    assert_int_equal(st3, GOPRO_E_IO);
    assert_non_null(strstr(err3.msg, "b.txt"));
    assert_false(gp_path_exists(path));
    assert_int_equal(count_files(), 1);
    free(big);
    free(path);
}

static void test_map_and_read_errors(void **state)
{
    (void)state;
    gopro_error err;
    gp_map m;
    char *path = gp_path_join(dir, "c.bin"), *data;
    size_t n;
    assert_int_equal(gp_map_open(&m, path, &err), GOPRO_E_IO);
    assert_non_null(strstr(err.msg, "c.bin"));
    assert_non_null(strstr(err.msg, "No such file"));
    assert_int_equal(gp_map_open(&m, dir, &err), GOPRO_E_IO);
    assert_non_null(strstr(err.msg, "folder"));
    assert_int_equal(gp_write_file(path, "", 0, &err), GOPRO_OK);
    assert_int_equal(gp_map_open(&m, path, &err), GOPRO_OK);
    assert_int_equal(m.size, 0);
    gp_map_close(&m);
    assert_int_equal(gp_write_file(path, "abc\0def", 7, &err), GOPRO_OK);
    assert_int_equal(gp_map_open(&m, path, &err), GOPRO_OK);
    assert_int_equal(m.size, 7);
    assert_memory_equal(m.data, "abc\0def", 7);
    gp_map_close(&m);
    assert_null(m.data);
    assert_int_equal(gp_read_file(&data, &n, path, 7, &err), GOPRO_OK);
    assert_int_equal(n, 7);
    free(data);
    assert_int_equal(gp_read_file(&data, &n, path, 6, &err), GOPRO_E_FORMAT);
    assert_null(data);
    free(path);
    /* A named pipe without a writer must be refused, not waited for. */
    char *pipe_path = gp_path_join(dir, "pipe");
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_int_equal(gp_map_open(&m, pipe_path, &err), GOPRO_E_IO);
    free(pipe_path);
}

static void write_over(const char *path, const char *text, long later)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    const struct timespec t[2] = {{0, UTIME_NOW}, {1700000000 + later, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

/* What was mapped is not what it was once the file is written to; another file under its name is another matter. */
static void test_changed_while_in_use(void **state)
{
    (void)state;
    gopro_error err;
    gp_map m, other;
    char *path = gp_path_join(dir, "used.bin");
    assert_int_equal(gp_write_file(path, "abcdef", 6, &err), GOPRO_OK);
    write_over(path, "abcdef", 0);
    assert_int_equal(gp_map_open(&m, path, &err), GOPRO_OK);
    assert_int_equal(gp_stamp_check(&m.stamp, path, &err), GOPRO_OK);
    write_over(path, "abXdef", 1); /* in place, the same size */
    assert_int_equal(gp_stamp_check(&m.stamp, path, &err), GOPRO_E_IO);
    assert_non_null(strstr(err.msg, "used.bin"));
    assert_non_null(strstr(err.msg, "changed"));
    write_over(path, "abcdef", 0);
    assert_int_equal(gp_stamp_check(&m.stamp, path, &err), GOPRO_OK);
    assert_int_equal(truncate(path, 3), 0);
    write_over(path, "abc", 0);
    assert_int_equal(gp_stamp_check(&m.stamp, path, &err), GOPRO_E_IO); /* the same time, but shorter */
    gp_map_close(&m);
    write_over(path, "abcdef", 0);
    assert_int_equal(gp_map_open(&m, path, &err), GOPRO_OK);
    assert_int_equal(gp_write_file(path, "another", 7, &err), GOPRO_OK);
    assert_int_equal(gp_stamp_check(&m.stamp, path, &err), GOPRO_OK);
    assert_memory_equal(m.data, "abcdef", 6);
    assert_int_equal(gp_map_open(&other, path, &err), GOPRO_OK);
    assert_false(gp_stamp_same(&m.stamp, &other.stamp));
    assert_true(gp_stamp_same(&other.stamp, &other.stamp));
    gp_map_close(&other);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(gp_stamp_check(&m.stamp, path, &err), GOPRO_OK);
    gp_map_close(&m);
    free(path);
}

/* The system's own files give less than their size says, like one that is cut off while it is read. */
static void test_shorter_while_read(void **state)
{
    (void)state;
    const char *path = "/sys/devices/system/cpu/online";
    gopro_error err;
    struct stat s;
    char *data;
    size_t n;
    if (stat(path, &s) != 0 || s.st_size < 1024) skip();
    assert_int_equal(gp_read_file(&data, &n, path, (size_t)1 << 20, &err), GOPRO_E_IO);
    assert_non_null(strstr(err.msg, "changed"));
    assert_null(data);
}

static void test_folders(void **state)
{
    (void)state;
    gopro_error err;
    char *deep = gp_path_join(dir, "x/y//z/"), *file = gp_path_join(dir, "a.txt"), **names;
    size_t n;
    assert_int_equal(gp_mkdirs(deep, &err), GOPRO_OK);
    assert_int_equal(gp_mkdirs(deep, &err), GOPRO_OK);
    assert_true(gp_path_is_dir(deep));
    assert_false(gp_path_is_dir(file));
    assert_int_equal(gp_mkdirs(file, &err), GOPRO_E_IO);
    assert_non_null(strstr(err.msg, "a.txt"));
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "%03d", (i * 73) % 200);
        char *p = gp_path_join(deep, name);
        assert_int_equal(gp_write_file(p, "", 0, &err), GOPRO_OK);
        free(p);
    }
    assert_int_equal(gp_list_dir(&names, &n, deep, &err), GOPRO_OK);
    assert_int_equal(n, 200);
    for (int i = 0; i < 200; i++) assert_int_equal(atoi(names[i]), i);
    gp_list_free(&names, n);
    assert_int_equal(gp_list_dir(&names, &n, file, &err), GOPRO_E_IO);
    free(deep);
    free(file);
    static const char *const join[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"a", "/b", "/b"}};
    for (size_t i = 0; i < GP_COUNT(join); i++) {
        char *p = gp_path_join(join[i][0], join[i][1]);
        assert_string_equal(p, join[i][2]);
        free(p);
    }
    char *p = gp_path_join(NULL, "b");
    assert_string_equal(p, "b");
    free(p);
}

static void test_lock(void **state)
{
    (void)state;
    gopro_error err;
    int fd, other;
    assert_int_equal(gp_lock_dir(&fd, dir, &err), GOPRO_OK);
    assert_true(fd >= 0);
    pid_t child = fork();
    if (child == 0) {
        gopro_error e;
        int f;
        close(fd); /* the inherited description would count as ours */
        _exit(gp_lock_dir(&f, dir, &e) == GOPRO_E_INVALID && strstr(e.msg, "folder in use") && f == -1 ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    gp_unlock(&fd);
    assert_int_equal(fd, -1);
    gp_unlock(&fd);
    assert_int_equal(gp_lock_dir(&other, dir, &err), GOPRO_OK);
    gp_unlock(&other);
    assert_int_equal(gp_lock_dir(&other, "no such folder", &err), GOPRO_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_atomic_replace),
        cmocka_unit_test(test_failed_write),
        cmocka_unit_test(test_map_and_read_errors),
        cmocka_unit_test(test_changed_while_in_use),
        cmocka_unit_test(test_shorter_while_read),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_lock),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
