/* test_torch.c - zip, pickle and PyTorch containers built byte by byte: what is right is read where it lies, what is wrong is named.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/str.h"
#include "weights/tensors.h"
#include "weights/torch_types.h"
#include "weights/zip.h"

/* ---- writing zip archives, right and wrong ---- */

typedef struct archive {
    gp_str body, directory;
    size_t n;
    /* to be wrong on purpose */
    size_t lie_size, lie_offset; /* added to an entry's size or offset in the directory */
    uint16_t method, flags;
} archive;

static void le(gp_str *s, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        char c = (char)(i < 8 ? v >> 8 * i : 0);
        gp_str_addn(s, &c, 1);
    }
}

static void add(archive *a, const char *name, const void *data, size_t size)
{
    size_t at = a->body.len, n = strlen(name);
    le(&a->body, 0x04034b50u, 4);
    le(&a->body, 20, 2);
    le(&a->body, a->flags, 2);
    le(&a->body, a->method, 2);
    le(&a->body, 0, 8);
    le(&a->body, size, 4);
    le(&a->body, size, 4);
    le(&a->body, n, 2);
    le(&a->body, 0, 2);
    gp_str_addn(&a->body, name, n);
    gp_str_addn(&a->body, data, size);
    le(&a->directory, 0x02014b50u, 4);
    le(&a->directory, 20, 2);
    le(&a->directory, 20, 2);
    le(&a->directory, a->flags, 2);
    le(&a->directory, a->method, 2);
    le(&a->directory, 0, 8);
    le(&a->directory, size + a->lie_size, 4);
    le(&a->directory, size + a->lie_size, 4);
    le(&a->directory, n, 2);
    le(&a->directory, 0, 12);
    le(&a->directory, at + a->lie_offset, 4);
    gp_str_addn(&a->directory, name, n);
    a->n++;
}

static void finish(archive *a)
{
    size_t at = a->body.len;
    gp_str_addn(&a->body, a->directory.s, a->directory.len);
    le(&a->body, 0x06054b50u, 4);
    le(&a->body, 0, 4);
    le(&a->body, a->n, 2);
    le(&a->body, a->n, 2);
    le(&a->body, a->directory.len, 4);
    le(&a->body, at, 4);
    le(&a->body, 0, 2);
}

static void done(archive *a)
{
    gp_str_free(&a->body);
    gp_str_free(&a->directory);
}

static void zip_fails(archive *a, const char *what)
{
    gp_zip z;
    gopro_error err;
    finish(a);
    gopro_status st = gp_zip_open(&z, (const uint8_t *)a->body.s, a->body.len, "z", &err);
    if (st != GOPRO_E_FORMAT || !strstr(err.msg, what)) fail_msg("status %d, '%s', expected '%s'", (int)st, st ? err.msg : "", what);
    assert_null(z.entry);
    done(a);
}

static void test_zip(void **state)
{
    (void)state;
    archive a = {0};
    gp_zip z;
    add(&a, "x/b", "hello", 5);
    add(&a, "x/a", "", 0);
    finish(&a);
    assert_int_equal(gp_zip_open(&z, (const uint8_t *)a.body.s, a.body.len, "z", NULL), GOPRO_OK);
    assert_int_equal(z.n, 2);
    const gp_zip_entry *e = gp_zip_find(&z, "x/b");
    assert_non_null(e);
    assert_int_equal(e->size, 5);
    assert_memory_equal(e->data, "hello", 5);
    assert_null(gp_zip_find(&z, "x/c"));
    gp_zip_close(&z);
    /* Cut off anywhere, it is refused; with a comment behind it, it is not. */
    for (size_t k = 0; k < a.body.len; k++) assert_int_equal(gp_zip_open(&z, (const uint8_t *)a.body.s, k, "z", NULL), GOPRO_E_FORMAT);
    done(&a);
}

static void test_zip_wrong(void **state)
{
    (void)state;
    archive a = {0};
    add(&a, "b", "hello", 5);
    a.lie_size = 1000;
    add(&a, "c", "hello", 5);
    zip_fails(&a, "'c': its 1005 bytes run past the end");
    a = (archive){.lie_size = 3};
    add(&a, "b", "hello", 5);
    a.lie_size = 0;
    add(&a, "c", "hello", 5);
    zip_fails(&a, "'b' and 'c' overlap");
    a = (archive){.lie_offset = 1};
    add(&a, "b", "hello", 5);
    zip_fails(&a, "'b': there is no header");
    a = (archive){.lie_offset = 0x7fffffffu};
    add(&a, "b", "hello", 5);
    zip_fails(&a, "'b': its header lies outside the file");
    a = (archive){.lie_size = 0xffffffffu - 5};
    add(&a, "b", "hello", 5);
    zip_fails(&a, "'b': its 4294967295 bytes");
    a = (archive){.flags = 1};
    add(&a, "b", "hello", 5);
    zip_fails(&a, "'b': it is encrypted");
    a = (archive){0};
    add(&a, "b", "hello", 5);
    add(&a, "b", "world", 5);
    zip_fails(&a, "'b': this name is there twice");
    a = (archive){0};
    add(&a, "b", "hello", 5);
    a.n = 2;
    zip_fails(&a, "2 zip entries do not fit");
    a = (archive){0};
    add(&a, "b", "hello", 5);
    a.directory.s[46] = 'c';
    zip_fails(&a, "'c': its own header has another name");
    a = (archive){0};
    add(&a, "b", "hello", 5);
    a.n = 0;
    zip_fails(&a, "more than its 0 entries");
}

/* ---- pickles ---- */

static void pickle_fails(const char *bytes, size_t n, const char *what)
{
    gp_pickle p;
    gopro_error err;
    gopro_status st = gp_pickle_read(&p, (const uint8_t *)bytes, n, &gp_torch_types, "p", &err);
    if (st != GOPRO_E_FORMAT || !strstr(err.msg, what)) fail_msg("status %d, '%s', expected '%s'", (int)st, st ? err.msg : "", what);
    assert_null(p.node);
}
#define FAILS(bytes, what) pickle_fails(bytes, sizeof(bytes) - 1, what)

static void test_pickle(void **state)
{
    (void)state;
    static const char good[] = "\x80\x02}q\0(X\1\0\0\0aK\7X\1\0\0\0b\x8a\2\0\xffX\1\0\0\0c(K\1K\2K\3tX\1\0\0\0dh\0u.";
    gp_pickle p;
    size_t v = 0;
    assert_int_equal(gp_pickle_read(&p, (const uint8_t *)good, sizeof good - 1, &gp_torch_types, "p", NULL), GOPRO_OK);
    assert_int_equal(p.used, sizeof good - 1);
    assert_int_equal(p.node[p.root].kind, GP_PK_DICT);
    assert_int_equal(p.node[p.root].n, 4);
    assert_true(gp_pk_int(&p, gp_pk_lookup(&p, p.root, "a"), &v) && v == 7);
    assert_false(gp_pk_int(&p, gp_pk_lookup(&p, p.root, "b"), &v)); /* -256 */
    assert_int_equal(p.node[gp_pk_lookup(&p, p.root, "b")].i, -256);
    uint32_t t = gp_pk_lookup(&p, p.root, "c");
    assert_int_equal(p.node[t].n, 3);
    assert_true(gp_pk_int(&p, gp_pk_item(&p, t, 2), &v) && v == 3);
    assert_int_equal(gp_pk_item(&p, t, 3), GP_PK_NIL);
    assert_int_equal(gp_pk_lookup(&p, p.root, "d"), p.root); /* it holds itself: walkers must stop by themselves */
    assert_int_equal(gp_pk_lookup(&p, p.root, "e"), GP_PK_NIL);
    gp_pickle_free(&p);
    for (size_t k = 0; k < sizeof good - 1; k++) {
        assert_int_equal(gp_pickle_read(&p, (const uint8_t *)good, k, &gp_torch_types, "p", NULL), GOPRO_E_FORMAT);
        assert_null(p.node);
    }
}

static void test_pickle_refused(void **state)
{
    (void)state;
    FAILS("\x80\x02"
          "cposix\nsystem\n"
          "X\2\0\0\0hi\x85R.",
          "asks for 'posix.system'");
    FAILS("\x80\x04\x8c\2os\x8c\6system\x93.", "asks for 'os.system'");
    FAILS("\x80\x02"
          "cbuiltins\neval\n.",
          "asks for 'builtins.eval'");
    FAILS("\x80\x02"
          "c__torch__.a\nB\n.",
          "asks for '__torch__.a.B'"); /* no TorchScript archive */
    FAILS("\x80\x02"
          "ctorch.storage\n_load_from_bytes\n.",
          "torch.storage._load_from_bytes");
    FAILS("(ios\nsystem\n.", "operation 0x69 is refused");
    FAILS("Pid\n.", "operation 0x50 is refused");
    FAILS("\x82\1.", "operation 0x82 is refused"); /* extension registry */
    FAILS("\x80\x00N.", "protocol");
    FAILS("", "byte 0: ends within an operation");
    FAILS(".", "empty stack");
    FAILS("R.", "empty stack");
    FAILS("N)R.", "calls something that is no type");
    FAILS("t.", "needs a mark");
    FAILS("N(0.", "empty stack");
    FAILS("h\5.", "memo does not have");
    FAILS("Nr\xff\xff\xff\xff.", "memo is numbered higher");
    FAILS("X\xff\xff\xff\x7f"
          "a.",
          "text runs past the end");
    FAILS("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
          "a.",
          "text runs past the end");
    FAILS("Nb.", "empty stack");
    FAILS("NNb.", "gives a state to something that has none");
    FAILS("NNa.", "other than a list");
    FAILS("NNNs.", "other than a dictionary");
    FAILS("}(Nu.", "sets items of nothing");
    FAILS("(NQ.", "other than a storage");
    FAILS("cab", "no end");
}

static void test_pickle_limits(void **state)
{
    (void)state;
    size_t n = (size_t)5 << 20;
    char *bytes = malloc(n);
    assert_non_null(bytes);
    memset(bytes, ')', n); /* five million tuples */
    pickle_fails(bytes, n, "more values than any file of its kind needs");
    memset(bytes, 'N', n); /* the same None again and again: the stack grows, and then there is no end */
    pickle_fails(bytes, n, "ends within an operation");
    free(bytes);
}

/* ---- PyTorch ---- */

static const char head[] = "\x80\x02}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
                           "0X\3\0\0\0cpuK";

/* {'w': a tensor of shape [2, 3]}: storage numbers, offset, strides as given. */
static gopro_status torch_file(gp_tensors **t, char numbers, char offset, const char *strides, size_t bytes, gopro_error *err)
{
    static const float f[] = {0, 1, 2, 3, 4, 5, 6, 7};
    archive a = {0};
    gp_str p = {0};
    gp_str_addn(&p, head, sizeof head - 1);
    gp_str_addn(&p, &numbers, 1);
    gp_str_addn(&p, "tQK", 3);
    gp_str_addn(&p, &offset, 1);
    gp_str_addn(&p, "K\2K\3\x86", 5);
    gp_str_addn(&p, strides, 5);
    gp_str_addn(&p, "\x89}tRs.", 6);
    add(&a, "m/data.pkl", p.s, p.len);
    add(&a, "m/data/0", f, bytes);
    finish(&a);
    uint8_t *copy = malloc(a.body.len); /* exactly as long, for the address sanitizer; as long as t */
    memcpy(copy, a.body.s, a.body.len);
    gopro_status st = gp_tensors_open_memory(t, copy, a.body.len, "f", err);
    if (st == GOPRO_OK) {
        float got[6];
        assert_int_equal(gp_tensor_to_f32(got, &(*t)->v[0], NULL), GOPRO_OK);
        for (int r = 0; r < 2; r++)
            for (int c = 0; c < 3; c++) assert_true(got[3 * r + c] == f[offset + r * strides[1] + c * strides[3]]);
    }
    gp_tensors_close(t);
    free(copy);
    gp_str_free(&p);
    done(&a);
    return st;
}

static void torch_fails(char numbers, char offset, const char *strides, size_t bytes, const char *what)
{
    gp_tensors *t;
    gopro_error err;
    gopro_status st = torch_file(&t, numbers, offset, strides, bytes, &err);
    if (st != GOPRO_E_FORMAT || !strstr(err.msg, what)) fail_msg("status %d, '%s', expected '%s'", (int)st, st ? err.msg : "", what);
}

static void test_torch(void **state)
{
    (void)state;
    gp_tensors *t;
    gopro_error err = {0};
    const struct {
        char numbers, offset;
        const char *strides;
    } good[] = {{6, 0, "K\3K\1\x86"}, {8, 2, "K\3K\1\x86"}, {6, 0, "K\1K\2\x86"}, {7, 1, "K\1K\2\x86"}, {7, 0, "K\4K\1\x86"}};
    for (size_t i = 0; i < GP_COUNT(good); i++)
        if (torch_file(&t, good[i].numbers, good[i].offset, good[i].strides, 4u * (size_t)good[i].numbers, &err) != GOPRO_OK)
            fail_msg("%zu: %s", i, err.msg);
    torch_fails(6, 1, "K\3K\1\x86", 24, "'w' ends outside its storage of 6 numbers");
    torch_fails(6, 0, "K\4K\1\x86", 24, "ends outside its storage");
    torch_fails(6, 0, "K\3K\1\x86", 20, "zip entry 'm/data/0' has 20 bytes");
    torch_fails(6, 0, "K\3K\1\x86", 28, "has 28 bytes");
    torch_fails(6, 0, "K\0K\1\x86", 24, "'w': it repeats its numbers");
    torch_fails(6, 0, "K\3K\0\x86", 24, "repeats its numbers");
    torch_fails(5, 0, "K\1K\1\x86", 20, "'w': it repeats its numbers");
    torch_fails(8, 0, "K\1K\1\x86", 32, "'w': it repeats its numbers");
}

/* Many views of one storage are refused before they are copied: memory follows the file's size, not what its pickle announces. */
static void test_views(void **state)
{
    (void)state;
    enum { SIDE = 1024, VIEWS = 150, LIMIT_KIB = 100 << 10 };
    static const char rest[] = "tQK\0M\0\4M\0\4\x86K\1M\0\4\x86\x89}tR";
    gp_tensors *t;
    gopro_error err;
    struct rusage before, after;
    archive a = {0};
    gp_str p = {0};
    gp_str_add(&p, "\x80\x02}(");
    for (int i = 0; i < VIEWS; i++) {
        const char name[] = {'X', 3, 0, 0, 0, (char)('a' + i / 100), (char)('a' + i / 10 % 10), (char)('a' + i % 10)};
        gp_str_addn(&p, name, sizeof name);
        gp_str_addn(&p, head + 9, sizeof head - 11); /* from the type on, up to the number of numbers */
        le(&p, 'J', 1);
        le(&p, SIDE * SIDE, 4);
        gp_str_addn(&p, rest, sizeof rest - 1);
    }
    gp_str_add(&p, "u.");
    float *numbers = calloc(SIDE * SIDE, sizeof *numbers);
    assert_non_null(numbers);
    add(&a, "m/data.pkl", p.s, p.len);
    add(&a, "m/data/0", numbers, SIDE * SIDE * sizeof *numbers);
    finish(&a);
    assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
    gopro_status st = gp_tensors_open_memory(&t, a.body.s, a.body.len, "f", &err);
    assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
    if (st != GOPRO_E_FORMAT || !strstr(err.msg, "overlap")) fail_msg("status %d, '%s'", (int)st, st ? err.msg : "");
    if (after.ru_maxrss - before.ru_maxrss > LIMIT_KIB) fail_msg("%ld KiB for a file of 4 MiB", after.ru_maxrss - before.ru_maxrss);
    free(numbers);
    gp_str_free(&p);
    done(&a);
}

/* Every number of 16 bits, as arrays are converted. */
static void test_halves(void **state)
{
    (void)state;
    uint16_t *h = malloc(65536 * sizeof *h);
    float *f = malloc(65536 * sizeof *f);
    for (uint32_t i = 0; i < 65536; i++) h[i] = (uint16_t)i;
    for (int bf = 0; bf < 2; bf++) {
        gp_tensor t = {.dtype = bf ? GP_DT_BF16 : GP_DT_F16, .rank = 1, .shape = {65536}, .count = 65536, .data = (const uint8_t *)h};
        assert_int_equal(gp_tensor_to_f32(f, &t, NULL), GOPRO_OK);
        for (uint32_t i = 0; i < 65536; i++) {
            float want = bf ? gp_bf16_to_f32(h[i]) : gp_f16_to_f32(h[i]);
            if (memcmp(&want, &f[i], sizeof want) != 0) fail_msg("%s 0x%04x", bf ? "bf16" : "f16", i);
        }
    }
    free(h);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_views),          cmocka_unit_test(test_zip),
                                       cmocka_unit_test(test_zip_wrong),      cmocka_unit_test(test_pickle),
                                       cmocka_unit_test(test_pickle_refused), cmocka_unit_test(test_pickle_limits),
                                       cmocka_unit_test(test_torch),          cmocka_unit_test(test_halves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
