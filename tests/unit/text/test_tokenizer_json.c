/* test_tokenizer_json.c - tokenizer.json in both spellings of its merges gives the tokenizer of merges.txt; saving gives back its files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "scratch.h"
#include "text/tokenizer.h"

#define VOCAB GP_TEST_DIR "/golden/text/vocab"

/* The golden vocabulary as tokenizer.json. */
static char *as_json(bool pairs, bool wrong_id)
{
    char *merges = NULL, *save = NULL;
    size_t n;
    assert_int_equal(gp_read_file(&merges, &n, VOCAB "/merges.txt", 1 << 20, NULL), GOPRO_OK);
    json_t *list = json_array(), *vocab = json_load_file(VOCAB "/vocab.json", 0, NULL);
    for (char *line = strtok_r(merges, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *space = strchr(line, ' ');
        if (strncmp(line, "#version", 8) == 0 || !space) continue;
        if (!pairs) {
            json_array_append_new(list, json_string(line));
            continue;
        }
        *space = '\0';
        json_array_append_new(list, json_pack("[s, s]", line, space + 1));
    }
    if (wrong_id) json_object_set_new(vocab, "!", json_integer(77));
    json_t *root = json_pack("{s:s, s:{s:s, s:o, s:o}}", "version", "1.0", "model", "type", "BPE", "vocab", vocab, "merges", list);
    char *text = json_dumps(root, 0);
    assert_non_null(text);
    json_decref(root);
    free(merges);
    return text;
}

static void test_same(void **state)
{
    (void)state;
    static const char *const texts[] = {"a photo of a dog.", "boeing 737-200!", "Caf\xc3\xa9 &amp; th\xc3\xa9", "\xe4\xbd\xa0\xe5\xa5\xbd"};
    gp_tokenizer *want, *got;
    gopro_error err = {0};
    assert_int_equal(gp_tokenizer_load(&want, VOCAB, 0, &err), GOPRO_OK);
    for (int pairs = 0; pairs < 2; pairs++) {
        char *json = as_json(pairs, false);
        if (gp_tokenizer_from_json(&got, json, strlen(json), 980, "j", &err) != GOPRO_OK) fail_msg("%s", err.msg);
        assert_int_equal(gp_tokenizer_vocab(got), gp_tokenizer_vocab(want));
        for (size_t i = 0; i < GP_COUNT(texts); i++) {
            uint32_t a[64] = {0}, b[64] = {0};
            size_t n, m;
            assert_int_equal(gp_tokenize(want, texts[i], a, 64, &n, NULL), GOPRO_OK);
            assert_int_equal(gp_tokenize(got, texts[i], b, 64, &m, NULL), GOPRO_OK);
            assert_int_equal(n, m);
            assert_memory_equal(a, b, sizeof a);
        }
        gp_tokenizer_free(&got);
        free(json);
    }
    gp_tokenizer_free(&want);
}

static void test_files(void **state)
{
    (void)state;
    static const char *const name[] = {"merges.txt", "vocab.json"};
    char dir[64], *json = as_json(true, false), *path = NULL, *found = NULL;
    gp_tokenizer *t, *u;
    gopro_error err = {0};
    scratch_make(dir);
    assert_int_equal(gp_tokenizer_find(&found, dir, &err), GOPRO_E_WEIGHTS);
    assert_null(found);
    assert_non_null(strstr(err.msg, "model.tokenizer=PATH"));
    path = gp_path_join(dir, "tokenizer.json");
    assert_int_equal(gp_write_file(path, json, strlen(json), NULL), GOPRO_OK);
    assert_int_equal(gp_tokenizer_load(&t, dir, 980, &err), GOPRO_OK);  /* found in the folder */
    assert_int_equal(gp_tokenizer_load(&u, path, 980, &err), GOPRO_OK); /* named */
    gp_tokenizer_free(&u);
    free(path);
    assert_int_equal(gp_tokenizer_save(t, dir, &err), GOPRO_OK);
    for (int i = 0; i < 2; i++) {
        char *a, *b, *golden = gp_path_join(VOCAB, name[i]);
        size_t n, m;
        path = gp_path_join(dir, name[i]);
        assert_int_equal(gp_read_file(&a, &n, path, 1 << 20, NULL), GOPRO_OK);
        assert_int_equal(gp_read_file(&b, &m, golden, 1 << 20, NULL), GOPRO_OK);
        assert_string_equal(a, b);
        free(a);
        free(b);
        free(golden);
        free(path);
    }
    gp_tokenizer_free(&t);
    free(json);
    scratch_remove(dir);
}

static void fails(const char *json, size_t vocab, const char *what)
{
    gp_tokenizer *t;
    gopro_error err = {0};
    gopro_status st = gp_tokenizer_from_json(&t, json, strlen(json), vocab, "j", &err);
    if (st != GOPRO_E_WEIGHTS || !strstr(err.msg, what)) fail_msg("status %d, '%s', expected '%s'", (int)st, err.msg, what);
    assert_null(t);
}

static void test_wrong(void **state)
{
    (void)state;
    char *json = as_json(false, true);
    fails(json, 980, "token '!' is not 0");
    free(json);
    json = as_json(false, false);
    fails(json, 49408, "needs 48894");
    free(json);
    fails("{\"model\":{\"type\":\"WordPiece\",\"merges\":[]}}", 0, "no model of type BPE");
    fails("{\"model\":{\"type\":\"BPE\"}}", 0, "no model of type BPE with merges");
    fails("{}", 0, "no model of type BPE");
    fails("{\"model\":{\"merges\":[\"a b\",7]}}", 0, "merge 1 is not two symbols");
    fails("{\"model\":{\"merges\":[[\"a\",\"b\",\"c\"]]}}", 0, "merge 0 is not two symbols");
    fails("{\"model\":{\"merges\":[\"ab c\"]}}", 0, "no line before it makes");
    fails("{", 0, "line 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same), cmocka_unit_test(test_files), cmocka_unit_test(test_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
