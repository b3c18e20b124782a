/* test_bpe_learn.c - learning a vocabulary: the recorded one, small cases by hand, and that what is written can be read.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/str.h"
#include "scratch.h"
#include "text/tokenizer.h"

#define GOLDEN GP_TEST_DIR "/golden/text/"

static int enter_scratch(void **state)
{
    static char dir[64];
    scratch_make(dir);
    *state = dir;
    return 0;
}

static int leave_scratch(void **state)
{
    scratch_remove(*state);
    return 0;
}

static char *read_text(const char *folder, const char *name)
{
    char *path = gp_path_join(folder, name), *text = NULL;
    size_t n;
    gopro_error err = {0};
    if (gp_read_file(&text, &n, path, 1 << 20, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    free(path);
    return text;
}

static void recorded_vocabulary(void **state)
{
    char *all = read_text(GOLDEN, "captions.txt");
    const char *texts[2000];
    size_t n = 0;
    for (char *save = NULL, *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) texts[n++] = line;
    assert_int_equal(gp_bpe_learn(texts, n, 1024, *state, NULL), GOPRO_OK);
    const char *names[] = {"merges.txt", "vocab.json"};
    for (size_t i = 0; i < 2; i++) {
        char *ours = read_text(*state, names[i]), *want = read_text(GOLDEN "vocab", names[i]);
        assert_string_equal(ours, want);
        free(ours);
        free(want);
    }
    gp_tokenizer *t = NULL; /* and the two belong together */
    assert_int_equal(gp_tokenizer_load(&t, *state, 980, NULL), GOPRO_OK);
    gp_tokenizer_free(&t);
    free(all);
}

static void merges_by_hand(void **state)
{
    static const struct {
        const char *texts[4];
        size_t vocab;
        const char *merges;
    } c[] = {
        /* frequency first: after "a a" the word is "aa a b</w>", and of its two pairs "a b</w>" begins with fewer bytes */
        {{"aaab aaab"}, 520, "#version: 0.2\na a\na b</w>\naa ab</w>\n"},
        /* equal counts: bytes decide */
        {{"xy ab", "xy ab"}, 520, "#version: 0.2\na b</w>\nx y</w>\n"},
        /* once is not learnt */
        {{"abc"}, 520, "#version: 0.2\n"},
        /* the vocabulary's size ends it */
        {{"abc abc"}, 515, "#version: 0.2\na b\n"},
        /* special tokens teach nothing */
        {{"<|endoftext|> <|endoftext|>"}, 520, "#version: 0.2\n"},
        /* cleaning first */
        {{"AB &#65;B"}, 520, "#version: 0.2\na b</w>\n"},
    };
    for (size_t i = 0; i < GP_COUNT(c); i++) {
        size_t n = 0;
        while (n < 4 && c[i].texts[n]) n++;
        assert_int_equal(gp_bpe_learn(c[i].texts, n, c[i].vocab, *state, NULL), GOPRO_OK);
        char *m = read_text(*state, "merges.txt");
        assert_string_equal(m, c[i].merges);
        free(m);
        gp_tokenizer *t = NULL;
        assert_int_equal(gp_tokenizer_load(&t, *state, 0, NULL), GOPRO_OK);
        gp_tokenizer_free(&t);
    }
}

/* Two ways to one string, and bytes that read as the mark: symbols must stay distinct. */
static void ambiguous_symbols(void **state)
{
    const char *texts[] = {"abcabc abcabc bcab bcab abab abab bcbc bcbc cabc cabc", "x</w>y x</w>y x</w>y", "</w> </w> </w>.. </w>.."};
    gopro_error err = {0};
    assert_int_equal(gp_bpe_learn(texts, 3, 600, *state, &err), GOPRO_OK);
    gp_tokenizer *t = NULL;
    if (gp_tokenizer_load(&t, *state, 0, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    gp_tokenizer_free(&t);
}

static void mistakes(void **state)
{
    gopro_error err = {0};
    const char *bad[] = {"fine", "\xff"};
    assert_int_equal(gp_bpe_learn(bad, 2, 600, *state, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "text 1"));
    assert_int_equal(gp_bpe_learn(bad, 1, 513, *state, &err), GOPRO_E_INVALID);
    assert_int_equal(gp_bpe_learn(bad, 1, 600, "/dev/null/x", &err), GOPRO_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(recorded_vocabulary, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(merges_by_hand, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(ambiguous_symbols, enter_scratch, leave_scratch),
        cmocka_unit_test_setup_teardown(mistakes, enter_scratch, leave_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
