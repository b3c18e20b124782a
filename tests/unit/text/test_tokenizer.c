/* test_tokenizer.c - token ids against recorded ones, broken vocabulary files, hostile text.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#define ZLIB_CONST
#include <zlib.h>

#include "text/text_internal.h"
#include "text/tokenizer.h"

#define GOLDEN GP_TEST_DIR "/golden/text/"

/* Strings of a file {"text", "ids"} a line: how many differ from ours. */
static size_t differing(const gp_tokenizer *t, const char *path, size_t *n)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    enum { CAP = 4096 };
    static char line[1 << 16];
    static uint32_t ids[CAP];
    size_t bad = 0;
    *n = 0;
    while (fgets(line, sizeof line, f)) {
        json_t *j = json_loads(line, 0, NULL);
        assert_non_null(j);
        const json_t *want = json_object_get(j, "ids");
        size_t k = 0;
        bool same = gp_tokenize(t, json_string_value(json_object_get(j, "text")), ids, CAP, &k, NULL) == GOPRO_OK;
        same = same && k == json_array_size(want);
        for (size_t i = 0; same && i < k; i++) same = ids[i] == (uint32_t)json_integer_value(json_array_get(want, i));
        bad += !same;
        json_decref(j);
        ++*n;
    }
    (void)fclose(f);
    return bad;
}

static gp_tokenizer *load(const char *path, size_t vocab)
{
    gp_tokenizer *t = NULL;
    gopro_error err = {0};
    if (gp_tokenizer_load(&t, path, vocab, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    return t;
}

/* A line of many.gz: does the string have the ids recorded?  Only their CRC-32 and number are. */
static bool as_recorded(const gp_tokenizer *t, const char *line, bool show)
{
    enum { CAP = 1 << 15 };
    static uint32_t ids[CAP];
    char *rest;
    const unsigned long want = strtoul(line, &rest, 16);
    const size_t count = strtoul(rest, &rest, 10);
    json_t *j = json_loads(rest, JSON_DECODE_ANY, NULL);
    assert_non_null(j);
    size_t k = 0;
    unsigned long crc = 0;
    bool same = gp_tokenize(t, json_string_value(j), ids, CAP, &k, NULL) == GOPRO_OK && k == count;
    assert_true(k <= CAP);
    for (size_t i = 0; i < k; i++) {
        const Bytef b[4] = {(Bytef)ids[i], (Bytef)(ids[i] >> 8), (Bytef)(ids[i] >> 16), (Bytef)(ids[i] >> 24)};
        crc = crc32(crc, b, 4);
    }
    same = same && crc == want;
    if (!same && show) print_error("%zu tokens instead of %zu, or others, for %.300s", k, count, rest);
    json_decref(j);
    return same;
}

static size_t differing_many(const gp_tokenizer *t, size_t *n, bool show)
{
    gzFile f = gzopen(GOLDEN "many.gz", "rb");
    assert_non_null(f);
    static char line[1 << 18];
    size_t bad = 0;
    for (*n = 0; gzgets(f, line, sizeof line); ++*n) bad += !as_recorded(t, line, show && bad < 20);
    (void)gzclose(f);
    return bad;
}

/* Class names of the field's data sets, every letter with a lower case, the edges of Unicode's classes, numerals, references, contractions,
 * sigmas, emoji, marks, scripts, punctuation, controls, long texts: scripts/golden/token_strings.py. */
static void many_strings(void **state)
{
    (void)state;
    gp_tokenizer *t = load(GOLDEN "vocab", 980);
    size_t n;
    assert_int_equal(differing_many(t, &n, true), 0);
    assert_true(n > 15000);
    gp_tokenizer_free(&t);
    t = load(GOLDEN "vocab/merges.txt", 979); /* one merge less is noticed */
    assert_true(differing_many(t, &n, false) > 0);
    gp_tokenizer_free(&t);
}

static void golden_vectors(void **state)
{
    (void)state;
    gp_tokenizer *t = load(GOLDEN "vocab", 980);
    assert_int_equal(gp_tokenizer_vocab(t), 980);
    assert_int_equal(gp_tokenizer_sot(t), 978);
    assert_int_equal(gp_tokenizer_eot(t), 979);
    size_t n;
    assert_int_equal(differing(t, GOLDEN "vectors.jsonl", &n), 0);
    assert_true(n > 450);
    gp_tokenizer_free(&t);
    assert_null(t);
    t = load(GOLDEN "vocab/merges.txt", 600); /* with fewer merges the same file gives other tokens: the comparison can fail */
    assert_true(differing(t, GOLDEN "vectors.jsonl", &n) > n / 2);
    gp_tokenizer_free(&t);
}

/* CLIP's own vocabulary is not part of the project; GOPRO_CLIP_DATA names a folder with it and with recorded ids. */
static void clip_vectors(void **state)
{
    (void)state;
    const char *folder = getenv("GOPRO_CLIP_DATA");
    if (!folder) skip();
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/bpe_simple_vocab_16e6.txt.gz", folder);
    gp_tokenizer *t = load(path, 0); /* the file says whose it is, so its 48,894 merges are taken without being told */
    assert_int_equal(gp_tokenizer_vocab(t), 49408);
    static const struct {
        const char *text;
        uint32_t ids[12];
    } spec[] = {
        {"a photo of a dog.", {320, 1125, 539, 320, 1929, 269}},
        {"boeing 737-200.", {11857, 278, 274, 278, 268, 273, 271, 271, 269}},
        {"cat's 12 &amp;amp; caf\xc3\xa9!!!", {2368, 568, 272, 273, 261, 15304, 995}},
        {"X", {343}},
    };
    for (size_t i = 0; i < GP_COUNT(spec); i++) {
        uint32_t ids[12] = {0};
        size_t k;
        assert_int_equal(gp_tokenize(t, spec[i].text, ids, 12, &k, NULL), GOPRO_OK);
        assert_memory_equal(ids, spec[i].ids, sizeof ids);
    }
    (void)snprintf(path, sizeof path, "%s/token_vectors.jsonl", folder);
    size_t n;
    assert_int_equal(differing(t, path, &n), 0);
    assert_int_equal(n, 6000);
    gp_tokenizer_free(&t);
}

static void token_texts(void **state)
{
    (void)state;
    gp_tokenizer *t = load(GOLDEN "vocab", 0);
    uint32_t id;
    size_t n;
    assert_int_equal(gp_tokenize(t, "The CAT", &id, 1, &n, NULL), GOPRO_OK);
    assert_int_equal(n, 2); /* counts what did not fit */
    char *s = gp_token_text(t, id);
    assert_string_equal(s, "the ");
    free(s);
    s = gp_token_text(t, 0);
    assert_string_equal(s, "!");
    free(s);
    s = gp_token_text(t, gp_tokenizer_eot(t));
    assert_string_equal(s, "<|endoftext|>");
    free(s);
    gp_tokenizer_free(&t);
}

static void expect(const char *merges, size_t len, size_t vocab, gopro_status want, const char *words)
{
    gp_tokenizer *t = NULL;
    gopro_error err = {0};
    const gopro_status st = gp_tokenizer_from_merges(&t, merges, len, vocab, "m.txt", &err);
    if (st != want || (words && !strstr(err.msg, words))) fail_msg("'%s' -> %d '%s', expected '%s'", merges, st, err.msg, words);
    assert_true((t == NULL) == (st != GOPRO_OK));
    gp_tokenizer_free(&t);
}

static void merges_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t vocab;
        gopro_status st;
        const char *words;
    } c[] = {
        {"", 0, GOPRO_OK, NULL},
        {"#version: 0.2\n", 514, GOPRO_OK, NULL},
        {"a b\nab c</w>\n", 516, GOPRO_OK, NULL},
        {"#version: 0.2\r\na b\r\nab c</w>\r\n\r\n", 516, GOPRO_OK, NULL},
        {"a b\nab c</w>", 515, GOPRO_OK, NULL}, /* merges beyond the vocabulary are left */
        {"a b\n", 516, GOPRO_E_WEIGHTS, "at most 1 merges, the model's vocabulary of 516 tokens needs 2"},
        {"\n\n\n\n\na b\n", 516, GOPRO_E_WEIGHTS, "1 merges"},
        {"a b\n", 513, GOPRO_E_WEIGHTS, "513"},
        {"a b\nab\n", 0, GOPRO_E_WEIGHTS, "m.txt: line 2 is not two symbols"},
        {"#version: 0.2\na b c\n", 0, GOPRO_E_WEIGHTS, "line 2 is not two symbols"},
        {"a \n", 0, GOPRO_E_WEIGHTS, "line 1"},
        {" ab\n", 0, GOPRO_E_WEIGHTS, "line 1"},
        {"a bc\n", 0, GOPRO_E_WEIGHTS, "line 1 merges a symbol that no line before it makes"},
        {"a b\na b\n", 0, GOPRO_E_WEIGHTS, "there already"},
        {"a b\nb c\nab c\na bc\n", 0, GOPRO_E_WEIGHTS, "line 4"},
        {"a</w> b\n", 0, GOPRO_E_WEIGHTS, "behind the end of a word"},
        {"a \xe4\xbd\xa0\n", 0, GOPRO_E_WEIGHTS, "no line before"},
        {"a \xff\n", 0, GOPRO_E_WEIGHTS, "not UTF-8"},
        {"a </w>\n", 0, GOPRO_E_WEIGHTS, "line 1"},
        {"\x1f\x8b not gzip", 0, GOPRO_E_WEIGHTS, "gzip"},
    };
    for (size_t i = 0; i < GP_COUNT(c); i++) expect(c[i].text, strlen(c[i].text), c[i].vocab, c[i].st, c[i].words);
    char *line = malloc(100000);
    memset(line, 'a', 100000);
    line[1] = ' ';
    expect(line, 100000, 0, GOPRO_E_WEIGHTS, "line 1");
    free(line);
    gp_tokenizer *t = NULL;
    gopro_error err = {0};
    assert_int_equal(gp_tokenizer_load(&t, GOLDEN "vocab", 600, &err), GOPRO_E_WEIGHTS); /* vocab.json does not belong to it */
    assert_non_null(strstr(err.msg, "vocab.json"));
    assert_null(t);
    assert_int_equal(gp_tokenizer_load(&t, GOLDEN "nothing", 0, &err), GOPRO_E_IO);
}

/* Appends text as a gzip file. */
static size_t member(char *out, size_t at, size_t cap, const char *text)
{
    z_stream z = {
        .next_in = (const Bytef *)text, .avail_in = (uInt)strlen(text), .next_out = (Bytef *)out + at, .avail_out = (uInt)(cap - at)};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    at = cap - z.avail_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    return at;
}

/* Several gzip files behind each other are one text; what is no gzip data behind them is not passed over. */
static void gzip_members(void **state)
{
    (void)state;
    char z[512] = {0};
    size_t one = member(z, 0, sizeof z, "a b\n"), two = member(z, one, sizeof z, "ab c</w>\n");
    expect(z, one, 515, GOPRO_OK, "");
    expect(z, two, 516, GOPRO_OK, "");
    expect(z, one, 516, GOPRO_E_WEIGHTS, "1 merges");
    expect(z, two + 100, 516, GOPRO_OK, ""); /* zeros, as tapes and rounded copies have them */
    expect(z, two - 1, 516, GOPRO_E_WEIGHTS, "not a complete gzip file");
    expect(z, one + 5, 0, GOPRO_E_WEIGHTS, "not a complete gzip file");
    z[two] = 'x';
    expect(z, two + 3, 516, GOPRO_E_WEIGHTS, "m.txt: 3 bytes after the end of its gzip data");
    z[two] = 0;
    z[two + 2] = '\x1f';
    expect(z, two + 3, 516, GOPRO_E_WEIGHTS, "1 bytes after the end");
}

static void bad_text(void **state)
{
    (void)state;
    gp_tokenizer *t = load(GOLDEN "vocab", 0);
    static const struct {
        const char *text;
        const char *words;
    } c[] = {{"caf\xe9", "byte 3"},
             {"\xc0\x80", "byte 0"},
             {"ab\xed\xa0\x80", "byte 2"},
             {"\xf4\x90\x80\x80", "byte 0"},
             {"a\xe2\x82", "byte 1"}};
    for (size_t i = 0; i < GP_COUNT(c); i++) {
        gopro_error err = {0};
        size_t n;
        assert_int_equal(gp_tokenize(t, c[i].text, NULL, 0, &n, &err), GOPRO_E_DATA);
        if (!strstr(err.msg, c[i].words)) fail_msg("%s", err.msg);
    }
    gp_tokenizer_free(&t);
}

/* Long words must not take quadratic time: these would take minutes. */
static void long_text(void **state)
{
    (void)state;
    gp_tokenizer *t = load(GOLDEN "vocab", 0);
    enum { N = 400000 };
    char *s = malloc(N + 1);
    const char *pieces[] = {"a", "lighthouse", "&", "\xce\xa3", " \x1c", "&notin"};
    for (size_t i = 0; i < GP_COUNT(pieces); i++) {
        const size_t len = strlen(pieces[i]);
        size_t n = 0;
        for (; n + len <= N; n += len) memcpy(s + n, pieces[i], len);
        s[n] = '\0';
        size_t k;
        assert_int_equal(gp_tokenize(t, s, NULL, 0, &k, NULL), GOPRO_OK);
        assert_true(k <= N);
        if (i != 4) assert_true(k > 0);
    }
    free(s);
    gp_tokenizer_free(&t);
}

static void entities_are_sorted(void **state)
{
    (void)state;
    assert_int_equal(gp_n_entities, 2125);
    for (size_t i = 1; i < gp_n_entities; i++) assert_true(strcmp(gp_entities[i - 1].name, gp_entities[i].name) < 0);
    for (size_t i = 0; i < gp_n_entities; i++) { /* in-place replacement needs this */
        gp_codepoints c;
        assert_int_equal(gp_utf8_decode(&c, gp_entities[i].text, strlen(gp_entities[i].text), NULL), GOPRO_OK);
        assert_true(c.n <= strlen(gp_entities[i].name) + 1);
        free(c.v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_vectors), cmocka_unit_test(many_strings), cmocka_unit_test(clip_vectors),
        cmocka_unit_test(token_texts),    cmocka_unit_test(merges_files), cmocka_unit_test(gzip_members),
        cmocka_unit_test(bad_text),       cmocka_unit_test(long_text),    cmocka_unit_test(entities_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
