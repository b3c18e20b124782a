/* test_prompts.c - templates and the prompts of a label set.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/prompts.h"

static int open_tokenizer(void **state)
{
    gp_tokenizer *t = NULL;
    if (gp_tokenizer_load(&t, GP_TEST_DIR "/golden/text/vocab", 0, NULL) != GOPRO_OK) return -1;
    *state = t;
    return 0;
}

static int close_tokenizer(void **state)
{
    gp_tokenizer *t = *state;
    gp_tokenizer_free(&t);
    return 0;
}

static void template_sets(void **state)
{
    (void)state;
    for (size_t i = 0; i < 87; i++) {
        const char *t = i < 7 ? gp_templates_7[i] : gp_templates_80[i - 7];
        char *s = NULL;
        assert_int_equal(gp_template_fill(&s, t, "x", NULL), GOPRO_OK);
        assert_int_equal(s[strlen(s) - 1], '.');
        free(s);
        if (i >= 7)
            for (size_t j = 0; j < i - 7; j++) assert_string_not_equal(t, gp_templates_80[j]);
    }
    assert_string_equal(gp_templates_80[0], "a bad photo of a {}.");
    assert_string_equal(gp_templates_80[79], "a tattoo of the {}.");
    for (size_t i = 0; i < 7; i++) { /* the selected seven are among the eighty */
        size_t found = 0;
        for (size_t j = 0; j < 80; j++) found += strcmp(gp_templates_7[i], gp_templates_80[j]) == 0;
        assert_int_equal(found, 1);
    }
}

static void filling(void **state)
{
    (void)state;
    char *s = NULL;
    gopro_error err = {0};
    assert_int_equal(gp_template_fill(&s, "a {}, a pet.", "British_Shorthair", &err), GOPRO_OK);
    assert_string_equal(s, "a British Shorthair, a pet.");
    free(s);
    assert_int_equal(gp_template_fill(&s, "{}", "a {} b", &err), GOPRO_OK); /* braces in a name are the name's */
    assert_string_equal(s, "a {} b");
    free(s);
    assert_int_equal(gp_template_fill(&s, "no slot", "x", &err), GOPRO_E_INVALID);
    assert_non_null(strstr(err.msg, "no {}"));
    assert_int_equal(gp_template_fill(&s, "{} and {}", "x", &err), GOPRO_E_INVALID);
    assert_non_null(strstr(err.msg, "more than one {}"));
    assert_null(s);
}

static void label_set(void **state)
{
    const gp_tokenizer *t = *state;
    const char *names[] = {"cat", "red_striped cat", "face (easy)", "737-200"};
    gp_prompt_set *s = NULL;
    gopro_error err = {0};
    if (gp_prompts_build(&s, t, names, 4, "X X X X {}.", 32, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(s->K, 4);
    for (size_t k = 0; k < 4; k++) {
        uint32_t want[32];
        size_t n;
        char *text = NULL;
        assert_int_equal(gp_template_fill(&text, "X X X X {}.", names[k], NULL), GOPRO_OK);
        assert_int_equal(gp_tokenize(t, text, want, 32, &n, NULL), GOPRO_OK);
        free(text);
        assert_int_equal(s->n[k], n + 2);
        assert_int_equal(s->ids[k][0], gp_tokenizer_sot(t));
        assert_memory_equal(s->ids[k] + 1, want, n * sizeof *want);
        assert_int_equal(s->ids[k][n + 1], gp_tokenizer_eot(t));
        uint32_t name[32];
        char *spaced = NULL;
        assert_int_equal(gp_template_fill(&spaced, "{}", names[k], NULL), GOPRO_OK);
        assert_int_equal(gp_tokenize(t, spaced, name, 32, &n, NULL), GOPRO_OK);
        free(spaced);
        assert_int_equal(s->name_len[k], n);
    }
    assert_int_equal(s->name_len[3], 7);
    uint32_t name[8]; /* ")." is one chunk, so the bracket is not the token that it is at the end of the name */
    size_t n;
    assert_int_equal(gp_tokenize(t, names[2], name, 8, &n, NULL), GOPRO_OK);
    assert_memory_equal(s->ids[2] + 5, name, (n - 1) * sizeof *name);
    assert_int_not_equal(s->ids[2][5 + n - 1], name[n - 1]);
    gp_prompts_free(&s);
    assert_null(s);
}

static void limits(void **state)
{
    const gp_tokenizer *t = *state;
    const char *names[] = {"cat", "the lighthouse and the bridge and the river"};
    gp_prompt_set *s = NULL;
    gopro_error err = {0};
    assert_int_equal(gp_prompts_build(&s, t, names, 2, "X X X X {}.", 40, &err), GOPRO_OK);
    const size_t n = s->n[1];
    gp_prompts_free(&s);
    assert_int_equal(gp_prompts_build(&s, t, names, 2, "X X X X {}.", n, &err), GOPRO_OK); /* just fits */
    gp_prompts_free(&s);
    assert_int_equal(gp_prompts_build(&s, t, names, 2, "X X X X {}.", n - 1, &err), GOPRO_E_DATA);
    assert_null(s);
    char words[80];
    (void)snprintf(words, sizeof words, "has %zu tokens with start and end, the model takes %zu", n, n - 1);
    if (!strstr(err.msg, words) || !strstr(err.msg, "class 'the lighthouse and")) fail_msg("'%s' lacks '%s'", err.msg, words);
    const char *empty[] = {"cat", " _ "};
    assert_int_equal(gp_prompts_build(&s, t, empty, 2, "{}.", 40, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "class 1"));
    const char *special[] = {"a<|endoftext|>b"};
    assert_int_equal(gp_prompts_build(&s, t, special, 1, "{}.", 40, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "start or end token"));
    const char *latin1[] = {"caf\xe9"};
    assert_int_equal(gp_prompts_build(&s, t, latin1, 1, "{}.", 40, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "class 'caf"));
    assert_int_equal(gp_prompts_build(&s, t, names, 2, "no slot", 40, &err), GOPRO_E_INVALID);
    assert_int_equal(gp_prompts_build(&s, t, names, 0, "{}.", 40, &err), GOPRO_E_INVALID);
    assert_int_equal(gp_prompts_build(&s, t, names, 1, "{}.", 2, &err), GOPRO_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(template_sets),
        cmocka_unit_test(filling),
        cmocka_unit_test(label_set),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
