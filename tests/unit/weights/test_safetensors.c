/* test_safetensors.c - round trips in every type, a table of malformed files, 16-bit conversions over all values.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "scratch.h"
#include "weights/safetensors.h"

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

static uint32_t bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

/* ---- 16-bit formats ---- */

static void test_every_half_survives(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = gp_f16_to_f32((uint16_t)h), b = gp_bf16_to_f32((uint16_t)h);
        if (isnan(f))
            assert_true((h & 0x7c00) == 0x7c00 && (h & 0x3ff) && isnan(gp_f16_to_f32(gp_f32_to_f16(f))));
        else
            assert_int_equal(gp_f32_to_f16(f), h);
        if (isnan(b))
            assert_true(isnan(gp_bf16_to_f32(gp_f32_to_bf16(b))));
        else
            assert_int_equal(gp_f32_to_bf16(b), h);
    }
    assert_true(gp_f16_to_f32(0x3c00) == 1.0f && gp_f16_to_f32(1) == 0x1p-24f && gp_f16_to_f32(0x7bff) == 65504.0f);
    assert_true(gp_f16_to_f32(0x8001) == -0x1p-24f && gp_f16_to_f32(0x03ff) == 1023 * 0x1p-24f && gp_f16_to_f32(0x0400) == 0x1p-14f);
    assert_true(isinf(gp_f16_to_f32(0xfc00)) && signbit(gp_f16_to_f32(0x8000)));
}

/* Between neighbours a and b of either format: below the middle goes to a, above to b, the middle to the even one. */
static void check_between(uint16_t lo, float (*up)(uint16_t), uint16_t (*down)(float))
{
    double a = (double)up(lo), b = (double)up((uint16_t)(lo + 1));
    if (!isfinite(b)) b = 2 * a - (double)up((uint16_t)(lo - 1)); /* the number that would follow the largest */
    float mid = (float)((a + b) / 2);
    assert_true((double)mid == (a + b) / 2);
    uint16_t even = lo & 1 ? (uint16_t)(lo + 1) : lo;
    assert_int_equal(down(mid), even);
    assert_int_equal(down(-mid), even | 0x8000);
    assert_int_equal(down(nextafterf(mid, INFINITY)), lo + 1);
    assert_int_equal(down(nextafterf(mid, 0.0f)), lo);
}

static void test_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) check_between((uint16_t)h, gp_f16_to_f32, gp_f32_to_f16);
    for (uint32_t h = 0; h < 0x7f7f; h++) check_between((uint16_t)h, gp_bf16_to_f32, gp_f32_to_bf16);
    assert_int_equal(gp_f32_to_f16(1e30f), 0x7c00);
    assert_int_equal(gp_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(gp_f32_to_f16(1e-30f), 0);
    assert_int_equal(gp_f32_to_bf16(3.4028235e38f), 0x7f80);
    float nan_low_bits;
    memcpy(&nan_low_bits, &(uint32_t){0x7f800001u}, 4);
    assert_true(isnan(gp_bf16_to_f32(gp_f32_to_bf16(nan_low_bits))));
    assert_true(isnan(gp_f16_to_f32(gp_f32_to_f16(nan_low_bits))));
}

/* ---- round trip ---- */

static void test_round_trip(void **state)
{
    (void)state;
    gopro_error err;
    char *path = gp_path_join(dir, "rt.safetensors");
    float f[6] = {1.5f, -0.25f, 65504.0f, 3.14159274f, 0.0f, 1e-3f};
    double d[6] = {1.5, -0.25, 1e300, 3.141592653589793, 0.0, 1e-3};
    int32_t n[3] = {-7, INT32_MAX, INT32_MIN};
    const size_t shape[2] = {2, 3}, three = 3, none[2] = {0, 5};
    gp_st_writer *w = gp_st_writer_create();
    gp_st_writer_meta(w, "format", "pt");
    gp_st_writer_meta(w, "cl\u00e4ss", "a \"b\"\nc");
    gp_st_writer_add(w, "half", GP_DT_F16, shape, 2, f, false);
    gp_st_writer_add(w, "scalar", GP_DT_F32, NULL, 0, &f[3], false);
    gp_st_writer_add(w, "f32", GP_DT_F32, shape, 2, f, false);
    gp_st_writer_add(w, "bf", GP_DT_BF16, shape, 2, f, false);
    gp_st_writer_add(w, "f64", GP_DT_F64, shape, 2, d, true);
    gp_st_writer_add(w, "f32 of double", GP_DT_F32, &three, 1, d + 3, true);
    gp_st_writer_add(w, "f64 of float", GP_DT_F64, &three, 1, f, false);
    gp_st_writer_add(w, "int", GP_DT_I32, &three, 1, n, false);
    gp_st_writer_add(w, "empty", GP_DT_F32, none, 2, NULL, false);
    assert_int_equal(gp_st_writer_commit(w, path, &err), GOPRO_OK);
    gp_st_writer_free(&w);
    assert_null(w);

    gp_safetensors *s;
    assert_int_equal(gp_safetensors_open(&s, path, &err), GOPRO_OK);
    assert_int_equal(gp_safetensors_count(s), 9);
    assert_string_equal(gp_safetensors_at(s, 0)->name, "half");
    assert_string_equal(gp_safetensors_at(s, 8)->name, "empty");
    assert_null(gp_safetensors_at(s, 9));
    assert_null(gp_safetensors_find(s, "nothing"));
    assert_int_equal((uintptr_t)gp_safetensors_at(s, 0)->data % 64, 0);
    assert_int_equal(gp_safetensors_meta_count(s), 2);
    assert_string_equal(gp_safetensors_meta(s, "cl\u00e4ss"), "a \"b\"\nc");
    assert_null(gp_safetensors_meta(s, "absent"));
    const char *key, *value;
    void *at = NULL;
    assert_true(gp_safetensors_meta_next(s, &at, &key, &value));
    assert_string_equal(key, "format");
    assert_string_equal(value, "pt");
    assert_true(gp_safetensors_meta_next(s, &at, &key, &value));
    assert_false(gp_safetensors_meta_next(s, &at, &key, &value));

    float out[6];
    double dout[6];
    int32_t iout[3];
    const gp_tensor *t = gp_safetensors_find(s, "f32");
    assert_int_equal(t->dtype, GP_DT_F32);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(t->count, 6);
    assert_int_equal(gp_tensor_to_f32(out, t, &err), GOPRO_OK);
    assert_memory_equal(out, f, sizeof f);
    assert_int_equal(gp_tensor_to_f32(out, gp_safetensors_find(s, "half"), &err), GOPRO_OK);
    for (int i = 0; i < 6; i++) assert_int_equal(bits(out[i]), bits(gp_f16_to_f32(gp_f32_to_f16(f[i]))));
    assert_int_equal(gp_tensor_to_f64(dout, gp_safetensors_find(s, "bf"), &err), GOPRO_OK);
    for (int i = 0; i < 6; i++) assert_true(dout[i] == (double)gp_bf16_to_f32(gp_f32_to_bf16(f[i])));
    assert_int_equal(gp_tensor_to_f64(dout, gp_safetensors_find(s, "f64"), &err), GOPRO_OK);
    assert_memory_equal(dout, d, sizeof d);
    assert_int_equal(gp_tensor_to_f32(out, gp_safetensors_find(s, "f32 of double"), &err), GOPRO_OK);
    assert_true(out[0] == (float)d[3]);
    assert_int_equal(gp_tensor_to_f32(out, gp_safetensors_find(s, "f64 of float"), &err), GOPRO_OK);
    assert_memory_equal(out, f, 3 * sizeof *f);
    assert_int_equal(gp_tensor_to_i32(iout, gp_safetensors_find(s, "int"), &err), GOPRO_OK);
    assert_memory_equal(iout, n, sizeof n);
    t = gp_safetensors_find(s, "scalar");
    assert_int_equal(t->rank, 0);
    assert_int_equal(t->count, 1);
    assert_int_equal(gp_tensor_to_f32(out, gp_safetensors_find(s, "int"), &err), GOPRO_E_FORMAT);
    assert_non_null(strstr(err.msg, "'int' is I32"));
    assert_int_equal(gp_tensor_to_i32(iout, t, &err), GOPRO_E_FORMAT);
    gp_safetensors_close(&s);
    assert_null(s);
    free(path);
}

static void expect_writer_error(gp_st_writer *w, const char *word)
{
    gopro_error err;
    char *path = gp_path_join(dir, "bad.safetensors");
    assert_int_equal(gp_st_writer_commit(w, path, &err), GOPRO_E_INVALID);
    assert_non_null(strstr(err.msg, word));
    assert_false(gp_path_exists(path));
    gp_st_writer_free(&w);
    free(path);
}

static void test_writer_errors(void **state)
{
    (void)state;
    float f[2] = {0, 1};
    const size_t two = 2, huge[2] = {SIZE_MAX / 2, 4};
    gp_st_writer *w = gp_st_writer_create();
    gp_st_writer_add(w, "a", GP_DT_F32, &two, 1, f, false);
    gp_st_writer_add(w, "a", GP_DT_F32, &two, 1, f, false);
    expect_writer_error(w, "'a'");
    w = gp_st_writer_create();
    gp_st_writer_add(w, "b", GP_DT_F32, huge, 2, f, false);
    expect_writer_error(w, "overflows");
    w = gp_st_writer_create();
    gp_st_writer_add(w, "b", GP_DT_I64, &two, 1, f, false);
    expect_writer_error(w, "type");
    w = gp_st_writer_create();
    gp_st_writer_meta(w, "key", "\xff\xfe");
    expect_writer_error(w, "UTF-8");
}

/* ---- malformed files ---- */

/* A file image: the length of header (unless given), header, then n_data zero bytes. */
static gopro_status open_text(const char *header, size_t n_data, int64_t length, gopro_error *err)
{
    size_t n = strlen(header), size = 8 + n + n_data;
    uint64_t len = length >= 0 ? (uint64_t)length : n;
    uint8_t *p = calloc(size, 1); /* exactly as large, for the address sanitizer */
    memcpy(p, &len, 8);
    memcpy(p + 8, header, n);
    gp_safetensors *f;
    gopro_status st = gp_safetensors_open_memory(&f, p, size, "mem", err);
    assert_true((st == GOPRO_OK) == (f != NULL));
    gp_safetensors_close(&f);
    free(p);
    return st;
}

#define T(name, dtype, shape, offsets) "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const struct {
    const char *header;
    size_t n_data;
    int64_t length; /* -1: right */
    const char *words;
} malformed[] = {
    {"{}", 0, 3, "runs past the end"},
    {"{}", 0, 200000000, "above the limit"},
    {"{}", 0, INT64_MAX, "above the limit"},
    {"{}", 0, 0, "begin with '{'"},
    {" {}", 0, -1, "begin with '{'"},
    {"[]", 0, -1, "begin with '{'"},
    {"{", 0, -1, "not JSON, line 1, column 1"},
    {"{\"a\":\n  nope}", 0, -1, "line 2"},
    {"{}x", 0, -1, "not JSON"},
    {"{\"a\\u0000b\":1}", 0, -1, "NUL byte in object key"},
    {"{\"a\":\"\\u0000\"}", 0, -1, "holds \\u0000, which no text may contain"},
    {"{\"\xff\":1}", 0, -1, "not JSON"},
    {"{\"a\":1}", 0, -1, "'a': its entry is not an object"},
    {"{\"a\":{}}", 0, -1, "\"dtype\" is missing"},
    {"{" T("a", "F31", "[1]", "[0,4]") "}", 4, -1, "unknown dtype 'F31'"},
    {"{\"a\":{\"dtype\":5,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, -1, "\"dtype\" is missing or not a string"},
    {"{" T("a", "F32", "1", "[0,4]") "}", 4, -1, "\"shape\" is missing or not a list"},
    {"{" T("a", "F32", "[-1]", "[0,4]") "}", 4, -1, "whole numbers of at least 0"},
    {"{" T("a", "F32", "[1.0]", "[0,4]") "}", 4, -1, "whole numbers of at least 0"},
    {"{" T("a", "F32", "[99999999999999999999]", "[0,4]") "}", 4, -1, "too big integer"},
    {"{" T("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, -1, "rank 9, at most 8"},
    {"{" T("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0, -1, "overflows"},
    {"{" T("a", "F32", "[4611686018427387904]", "[0,0]") "}", 0, -1, "overflows"},
    {"{" T("a", "F32", "[1]", "[0]") "}", 4, -1, "not a list of two"},
    {"{" T("a", "F32", "[1]", "[0,\"4\"]") "}", 4, -1, "\"data_offsets\" holds"},
    {"{" T("a", "F32", "[1]", "[-4,0]") "}", 4, -1, "\"data_offsets\" holds"},
    {"{" T("a", "F32", "[1]", "[4,0]") "}", 4, -1, "end before they begin"},
    {"{" T("a", "F32", "[2]", "[0,8]") "}", 7, -1, "outside the file"},
    {"{" T("a", "F32", "[2]", "[0,9223372036854775807]") "}", 8, -1, "outside the file"},
    {"{" T("a", "F32", "[2]", "[0,4]") "}", 4, -1, "need 8 bytes, the offsets give 4"},
    {"{" T("a", "F16", "[2]", "[0,8]") "}", 8, -1, "need 4 bytes, the offsets give 8"},
    {"{" T("a", "F32", "[1]", "[4,8]") "}", 8, -1, "'a': leaves a hole of 4 bytes"},
    {"{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[5,9]") "}", 9, -1, "'b': leaves a hole of 1 bytes"},
    {"{" T("a", "F32", "[2]", "[0,8]") "," T("b", "F32", "[1]", "[4,8]") "}", 8, -1, "'b': overlaps"},
    {"{" T("a", "F32", "[1]", "[0,4]") "," T("b", "F32", "[1]", "[0,4]") "}", 4, -1, "'b': overlaps"},
    {"{" T("a", "F32", "[1]", "[0,4]") "}", 5, -1, "1 bytes after the last tensor"},
    {"{}", 1, -1, "1 bytes after the last tensor"},
    {"{" T("a", "F32", "[1]", "[0,4]") "," T("a", "F32", "[1]", "[4,8]") "}", 8, -1, "holds a name twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, -1, "other keys"},
    {"{\"__metadata__\":3}", 0, -1, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"k\":3}}", 0, -1, "'k' is not a string"},
};

static void test_malformed(void **state)
{
    (void)state;
    gopro_error err;
    for (size_t i = 0; i < GP_COUNT(malformed); i++) {
        gopro_status st = open_text(malformed[i].header, malformed[i].n_data, malformed[i].length, &err);
        if (st != GOPRO_E_FORMAT || !strstr(err.msg, malformed[i].words) || strncmp(err.msg, "mem: ", 5) != 0)
            fail_msg("case %zu: status %d, message '%s', expected '%s'", i, (int)st, st ? err.msg : "", malformed[i].words);
        open_text(malformed[i].header, malformed[i].n_data, malformed[i].length, NULL);
    }
    /* What is right must pass, or the table above would prove nothing. */
    assert_int_equal(open_text("{}", 0, -1, &err), GOPRO_OK);
    assert_int_equal(open_text("{}      ", 0, -1, &err), GOPRO_OK);
    assert_int_equal(open_text("{" T("b", "I64", "[1]", "[4,12]") "," T("a", "F32", "[]", "[0,4]") "}", 12, -1, &err), GOPRO_OK);
    assert_int_equal(open_text("{" T("z", "F32", "[0]", "[0,0]") "," T("a", "F32", "[1]", "[0,4]") "}", 4, -1, &err), GOPRO_OK);
}

static void test_short_and_deep(void **state)
{
    (void)state;
    gopro_error err;
    gp_safetensors *f;
    for (size_t n = 0; n < 8; n++) {
        uint8_t *p = calloc(n + 1, 1);
        assert_int_equal(gp_safetensors_open_memory(&f, p, n, "short", &err), GOPRO_E_FORMAT);
        assert_non_null(strstr(err.msg, "too short"));
        free(p);
    }
    size_t n = 200000;
    char *deep = malloc(n + 1);
    memset(deep, '[', n);
    memcpy(deep, "{\"a\":", 5);
    deep[n] = '\0';
    assert_int_equal(open_text(deep, 0, -1, &err), GOPRO_E_FORMAT);
    assert_non_null(strstr(err.msg, "depth"));
    free(deep);
    char *path = gp_path_join(dir, "empty");
    assert_int_equal(gp_write_file(path, "", 0, &err), GOPRO_OK);
    assert_int_equal(gp_safetensors_open(&f, path, &err), GOPRO_E_FORMAT);
    assert_non_null(strstr(err.msg, path));
    free(path);
    assert_int_equal(gp_safetensors_open(&f, "no/such/file", &err), GOPRO_E_IO);
}

static void test_every_truncation_fails(void **state)
{
    (void)state;
    static const char header[] = "{" T("a", "F32", "[2]", "[0,8]") "," T("b", "U8", "[3]", "[8,11]") "}";
    uint8_t file[300] = {0};
    size_t n = 8 + sizeof header - 1 + 11;
    memcpy(file, &(uint64_t){sizeof header - 1}, 8);
    memcpy(file + 8, header, sizeof header - 1);
    gp_safetensors *f;
    for (size_t k = 0; k <= n; k++) {
        uint8_t *p = malloc(k + 1);
        memcpy(p, file, k);
        assert_int_equal(gp_safetensors_open_memory(&f, p, k, "cut", NULL), k == n ? GOPRO_OK : GOPRO_E_FORMAT);
        gp_safetensors_close(&f);
        free(p);
    }
}

static void test_integers(void **state)
{
    (void)state;
    gopro_error err;
    int32_t out[2];
    const int64_t wide[2] = {5, -3000000000};
    const int16_t s[2] = {-300, 300};
    const int8_t c[2] = {-128, 127};
    const uint8_t u[2] = {0, 255};
    gp_tensor t = {.name = "i", .dtype = GP_DT_I64, .rank = 1, .shape = {2}, .count = 2, .data = (const uint8_t *)wide};
    assert_int_equal(gp_tensor_to_i32(out, &t, &err), GOPRO_E_FORMAT);
    assert_non_null(strstr(err.msg, "element 1 is -3000000000"));
    t.dtype = GP_DT_I16;
    t.data = (const uint8_t *)s;
    assert_int_equal(gp_tensor_to_i32(out, &t, &err), GOPRO_OK);
    assert_true(out[0] == -300 && out[1] == 300);
    t.dtype = GP_DT_I8;
    t.data = (const uint8_t *)c;
    assert_int_equal(gp_tensor_to_i32(out, &t, &err), GOPRO_OK);
    assert_true(out[0] == -128 && out[1] == 127);
    t.dtype = GP_DT_U8;
    t.data = u;
    assert_int_equal(gp_tensor_to_i32(out, &t, &err), GOPRO_OK);
    assert_true(out[0] == 0 && out[1] == 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half_survives),
        cmocka_unit_test(test_rounds_to_nearest_even),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_writer_errors),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_short_and_deep),
        cmocka_unit_test(test_every_truncation_fails),
        cmocka_unit_test(test_integers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
