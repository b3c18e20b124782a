/* test_text.c - strings, nearest names, SHA-256, error messages and logging.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/str.h"

/* Python 3.11 hashes bytes by SipHash-1-3; with PYTHONHASHSEED=0 its key is zero. */
static void test_siphash(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t hash;
    } known[] = {{"a", 0x407448d2b89b1813u},
                 {"abc", 0xc03bc3a0042630f2u},
                 {"abcdefg", 0x6db12aae9070f506u},
                 {"abcdefgh", 0x3f7b849c0b8e35eau},
                 {"a photo of a cat", 0x68f1d5faabc3c26cu}};
    const uint64_t zero[2] = {0, 0}, other[2] = {0, 1};
    for (size_t i = 0; i < GP_COUNT(known); i++) {
        assert_int_equal(gp_siphash(zero, known[i].text, strlen(known[i].text)), known[i].hash);
        assert_int_not_equal(gp_siphash(other, known[i].text, strlen(known[i].text)), known[i].hash);
    }
    assert_int_equal(gp_hash("abc", 3), gp_hash("abc", 3));
    assert_int_not_equal(gp_hash("abc", 3), gp_hash("abd", 3));
}

static void test_plain(void **state)
{
    (void)state;
    static const char *const good[] = {"", "cat", "caf\xC3\xA9", "\xC2\xA0", "\xE6\x97\xA5"}, *const bad[] = {"a\n", "\x1b[31m", "\x7f",
                                                                                                              "\302\23331m"};
    for (size_t i = 0; i < GP_COUNT(good); i++) assert_true(gp_text_is_plain(good[i], strlen(good[i])));
    for (size_t i = 0; i < GP_COUNT(bad); i++) assert_false(gp_text_is_plain(bad[i], strlen(bad[i])));
}

static void test_str(void **state)
{
    (void)state;
    gp_str b = {0};
    for (int i = 0; i < 100; i++) {
        gp_str_add(&b, "ab");
        gp_str_addf(&b, "%03d", i);
        gp_str_addn(&b, "xyz", 1);
    }
    assert_int_equal(b.len, 600);
    assert_int_equal(strlen(b.s), 600);
    assert_memory_equal(b.s + 594, "ab099x", 7);
    assert_false(b.failed);
    gp_str_free(&b);
    assert_null(b.s);
    char *s = gp_sprintf("%s-%d", "a", 5);
    assert_string_equal(s, "a-5");
    free(s);
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = {"optim.lr", "optim.epochs", "train.batch", "method"};
    assert_string_equal(gp_nearest("optim.lt", names, 4), "optim.lr");
    assert_string_equal(gp_nearest("optim.epoch", names, 4), "optim.epochs");
    assert_string_equal(gp_nearest("methd", names, 4), "method");
    assert_string_equal(gp_nearest("trian.batch", names, 3), "train.batch");
    assert_null(gp_nearest("something.else", names, 4));
    assert_null(gp_nearest("x", names, 0));
    char longer[500];
    memset(longer, 'a', sizeof longer);
    longer[499] = '\0';
    assert_null(gp_nearest(longer, names, 4));
}

static void test_sha256(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hex;
    } kat[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char hex[65];
    gp_sha256 c;
    for (size_t i = 0; i < GP_COUNT(kat); i++) {
        gp_sha256_init(&c);
        gp_sha256_add(&c, kat[i].text, strlen(kat[i].text));
        gp_sha256_hex(&c, hex);
        assert_string_equal(hex, kat[i].hex);
    }
    /* A million letters a, in pieces of many sizes. */
    char a[200];
    memset(a, 'a', sizeof a);
    gp_sha256_init(&c);
    for (size_t done = 0, k = 0; done < 1000000; k++) {
        size_t n = gp_min_size(k % 200, 1000000 - done);
        gp_sha256_add(&c, a, n);
        done += n;
    }
    gp_sha256_hex(&c, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    /* Large pieces take another path than small ones: the same numbers must come out, wherever the cut is. */
    uint8_t text[5000];
    char want[65];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)(i * i * 31 + i / 7);
    gp_sha256_init(&c);
    for (size_t i = 0; i < sizeof text; i++) gp_sha256_add(&c, text + i, 1);
    gp_sha256_hex(&c, want);
    for (size_t cut = 0; cut < 700; cut += 13) {
        gp_sha256_init(&c);
        gp_sha256_add(&c, text, cut);
        gp_sha256_add(&c, text + cut, sizeof text - cut);
        gp_sha256_hex(&c, hex);
        assert_string_equal(hex, want);
    }
}

static void test_errors(void **state)
{
    (void)state;
    gopro_error err;
    assert_int_equal(gp_fail(&err, GOPRO_E_FORMAT, "bad byte %d", 7), GOPRO_E_FORMAT);
    assert_int_equal(err.code, GOPRO_E_FORMAT);
    assert_int_equal(gp_fail_in(&err, GOPRO_E_DATA, "image '%s'", "x.png"), GOPRO_E_DATA);
    assert_string_equal(err.msg, "image 'x.png': bad byte 7");
    assert_int_equal(err.code, GOPRO_E_DATA);
    gp_fail_nomem(&err, 10, "a thing");
    assert_int_equal(gp_fail_in(&err, GOPRO_E_DATA, "p"), GOPRO_E_NOMEM); /* kept */
    gp_fail(&err, GOPRO_E_CANCELLED, "stop");
    assert_int_equal(gp_fail_in(&err, GOPRO_E_DATA, "p"), GOPRO_E_CANCELLED);
    gp_fail(&err, GOPRO_E_NUMERIC, "nan");
    assert_int_equal(gp_fail_in(&err, GOPRO_E_DATA, "p"), GOPRO_E_NUMERIC);
    errno = ENOENT;
    assert_int_equal(gp_fail_errno(&err, "could not open", "f"), GOPRO_E_IO);
    assert_string_equal(err.msg, "could not open 'f': No such file or directory");
    char longer[3000];
    memset(longer, 'a', sizeof longer);
    longer[2999] = '\0';
    gp_fail(&err, GOPRO_E_IO, "%s", longer);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    gp_fail_in(&err, GOPRO_E_IO, "%s", longer);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    assert_int_equal(gp_fail(NULL, GOPRO_E_IO, "x"), GOPRO_E_IO);
    assert_int_equal(gp_fail_in(NULL, GOPRO_E_DATA, "x"), GOPRO_E_DATA);
    assert_int_equal(gopro_exit_status(GOPRO_OK), 0);
    assert_int_equal(gopro_exit_status(GOPRO_E_IO), 1);
    assert_int_equal(gopro_exit_status(GOPRO_E_INVALID), 2);
    assert_int_equal(gopro_exit_status(GOPRO_E_DATA), 3);
    assert_int_equal(gopro_exit_status(GOPRO_E_WEIGHTS), 4);
    assert_int_equal(gopro_exit_status(GOPRO_E_NUMERIC), 5);
    assert_int_equal(gopro_exit_status(GOPRO_E_CANCELLED), 130);
    assert_string_equal(gopro_version(), GOPRO_VERSION);
}

static void keep_line(void *user, gp_log_level level, const char *text)
{
    char *out = user;
    strcpy(out, text);
    out[63] = (char)level;
}

static bool say_yes(void *user)
{
    (void)user;
    return true;
}

static void test_log(void **state)
{
    (void)state;
    char line[64] = "";
    gp_log l = {keep_line, NULL, line};
    gp_logf(&l, GP_LOG_WARN, "step %d", 3);
    assert_string_equal(line, "step 3");
    assert_int_equal(line[63], GP_LOG_WARN);
    gp_logf(NULL, GP_LOG_INFO, "x");
    assert_false(gp_cancelled(&l));
    assert_false(gp_cancelled(NULL));
    l.cancelled = say_yes;
    l.write = NULL;
    assert_true(gp_cancelled(&l));
    gp_logf(&l, GP_LOG_INFO, "x");
}

static void test_plain_text(void **state)
{
    static const struct {
        const char *is, *want;
    } cases[] = {{"cat é 猫 🐱", "cat é 猫 🐱"},
                 {"a\x1b]0;x\x07"
                  "b\n\tc\x7f",
                  "a?]0;x?b??c?"},
                 {"\xc2\x9b"
                  "31m",
                  "?31m"},
                 {"\xff\xc3", "??"},
                 {"\xc2\xa0", "\xc2\xa0"},
                 {"", ""}};
    (void)state;
    for (size_t i = 0; i < GP_COUNT(cases); i++) {
        char s[64];
        snprintf(s, sizeof s, "%s", cases[i].is);
        gp_plain_text(s);
        assert_string_equal(s, cases[i].want);
    }
    static const char *const cut[][2] = {{"caf\xc3", "caf"}, {"a\xe7\x8c", "a"}, {"\xf0\x9f\x90", ""},
                                         {"café", "café"},   {"猫", "猫"},       {"", ""}};
    for (size_t i = 0; i < GP_COUNT(cut); i++) {
        char s[16];
        snprintf(s, sizeof s, "%s", cut[i][0]);
        gp_whole_text(s);
        assert_string_equal(s, cut[i][1]);
    }
    gopro_error err;
    gp_fail(&err, GOPRO_E_DATA, "'%s'", "\x1b[31m");
    assert_string_equal(err.msg, "'?[31m'");
    gp_fail_in(&err, GOPRO_E_DATA, "%s", "\n");
    assert_string_equal(err.msg, "?: '?[31m'");
}

static void test_cat(void **state)
{
    char s[8] = "ab", full[4] = {'x', 'x', 'x', 'x'};
    (void)state;
    gp_cat(s, sizeof s, "%d", 12);
    assert_string_equal(s, "ab12");
    gp_cat(s, sizeof s, "%.2f", 1e70);
    assert_string_equal(s, "ab12100");
    gp_cat(s, sizeof s, "more");
    assert_string_equal(s, "ab12100");
    gp_cat(full, sizeof full, "y");
    assert_memory_equal(full, "xxxx", 4);
}

/* Also where a host program writes its numbers with a comma: shown only where such a locale is installed. */
static void test_real(void **state)
{
    static const double number[] = {0.0, -1.5, 0.1, 1.0 / 3.0, 1e-300, DBL_MAX, -DBL_MIN, 100.0000001};
    static const char *const bad[] = {"", "1,5", "inf", "nan", "0x10", "1.5 ", "1e999", "--1", "e"};
    (void)state;
    double v = 0.0;
    char text[32];
    for (int other = 0; other < 2; other++) {
        if (other && !setlocale(LC_NUMERIC, "de_DE.UTF-8"))
            print_message("no de_DE.UTF-8 here: numbers were tested in the C locale alone\n");
        for (size_t i = 0; i < GP_COUNT(number); i++) {
            gp_real_text(text, number[i], 17);
            assert_true(gp_parse_real(&v, text));
            assert_memory_equal(&v, &number[i], sizeof v);
        }
        for (size_t i = 0; i < GP_COUNT(bad); i++)
            if (gp_parse_real(&v, bad[i])) fail_msg("'%s' was taken for %g", bad[i], v);
        gp_real_text(text, 0.25, 12);
        assert_string_equal(text, "0.25");
    }
    setlocale(LC_NUMERIC, "C");
}

static void test_json(void **state)
{
    static const struct {
        const char *text;
        size_t most;
        const char *error; /* NULL: is read */
    } cases[] = {{"[1,2,3]", 3, NULL},
                 {"[1,2,3]", 2, "holds more than 2 values"},
                 {"{\"a,[{\\\",\": [\",,,,\"]}", 2, NULL},
                 {"[\n[\n[]]]", 2, "holds more than 2 values"},
                 {"[1,2", 5, "expected"},
                 {"[\"\\", 5, "invalid escape"},
                 {"{\"a\":1,\"a\":2}", 5, "duplicate"}};
    (void)state;
    for (size_t i = 0; i < GP_COUNT(cases); i++) {
        json_error_t e = {0};
        json_t *j = gp_json_load(cases[i].text, strlen(cases[i].text), cases[i].most, &e);
        if (cases[i].error ? j || !strstr(e.text, cases[i].error) : !j) fail_msg("case %zu: '%s'", i, e.text);
        if (i == 3) assert_int_equal(e.line, 3);
        json_decref(j);
        j = gp_json_load(cases[i].text, strlen(cases[i].text), cases[i].most, NULL);
        assert_int_equal(j == NULL, cases[i].error != NULL);
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),    cmocka_unit_test(test_json),   cmocka_unit_test(test_plain_text), cmocka_unit_test(test_cat),
        cmocka_unit_test(test_siphash), cmocka_unit_test(test_plain),  cmocka_unit_test(test_str),        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_sha256),  cmocka_unit_test(test_errors), cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
