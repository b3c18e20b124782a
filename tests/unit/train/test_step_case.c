/* test_step_case.c - parity with recorded results of an independent implementation, and refusal of damaged cases.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "scratch.h"
#include "train/step_case.h"
#include "weights/safetensors.h"

#define GOLDEN  GP_TEST_DIR "/golden/step/"
#define WEIGHTS GOLDEN "weights.safetensors"

typedef struct fixture {
    char folder[64];
    char out[128], edited[128];
    gp_compute *c;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    scratch_make(f->folder);
    snprintf(f->out, sizeof f->out, "%s/out.safetensors", f->folder);
    snprintf(f->edited, sizeof f->edited, "%s/case.safetensors", f->folder);
    assert_int_equal(gp_compute_create(&f->c, 1, NULL, NULL), GOPRO_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    gp_compute_free(&f->c);
    scratch_remove(f->folder);
    free(f);
    return 0;
}

static double *numbers(const gp_tensor *t)
{
    double *v = calloc(t->count + 1, sizeof *v);
    assert_non_null(v);
    assert_int_equal(gp_tensor_to_f64(v, t, NULL), GOPRO_OK);
    return v;
}

static double magnitude(const gp_tensor *t)
{
    double top = 0, *v = numbers(t);
    for (size_t i = 0; i < t->count; i++) top = fmax(top, fabs(v[i]));
    free(v);
    return top;
}

/* Largest difference relative to the largest expected magnitude or to `least`, if that is more (absolute where both are 0). */
static double distance(const gp_tensor *expected, const gp_tensor *found, double least)
{
    double top = least, off = 0;
    assert_int_equal(expected->rank, found->rank);
    for (size_t i = 0; i < expected->rank; i++) assert_int_equal(expected->shape[i], found->shape[i]);
    double *a = numbers(expected), *b = numbers(found);
    for (size_t i = 0; i < expected->count; i++) {
        top = fmax(top, fabs(a[i]));
        off = fmax(off, fabs(a[i] - b[i]));
        if (!isfinite(b[i])) off = HUGE_VAL;
    }
    free(a);
    free(b);
    return top > 0 ? off / top : off;
}

static void compare(const char *expected, const char *found)
{
    static const struct {
        const char *prefix;
        double limit;
    } kind[] = {{"out.", 1e-4}, {"grad.", 5e-4}, {"final.", 2e-3}};
    gp_safetensors *e = NULL, *f = NULL;
    size_t compared = 0;
    double top = 0; /* of all gradients: those of biases before a batch normalisation are rounding noise */
    assert_int_equal(gp_safetensors_open(&e, expected, NULL), GOPRO_OK);
    assert_int_equal(gp_safetensors_open(&f, found, NULL), GOPRO_OK);
    for (size_t i = 0; i < gp_safetensors_count(e); i++)
        if (strncmp(gp_safetensors_at(e, i)->name, "grad.", 5) == 0) top = fmax(top, magnitude(gp_safetensors_at(e, i)));
    for (size_t i = 0; i < gp_safetensors_count(e); i++) {
        const gp_tensor *t = gp_safetensors_at(e, i);
        for (size_t k = 0; k < GP_COUNT(kind); k++) {
            if (strncmp(t->name, kind[k].prefix, strlen(kind[k].prefix)) != 0) continue;
            const gp_tensor *ours = gp_safetensors_find(f, t->name);
            if (!ours) fail_msg("%s is missing", t->name);
            assert_int_equal(ours->dtype, GP_DT_F32);
            const double d = distance(t, ours, k == 1 && magnitude(t) < 1e-5 * top ? top : 0);
            if (!(d <= kind[k].limit)) fail_msg("%s: relative difference %g", t->name, d);
            compared++;
        }
    }
    assert_true(compared >= 3);
    assert_int_equal(gp_safetensors_count(f), compared); /* nothing that was not expected */
    gp_safetensors_close(&e);
    gp_safetensors_close(&f);
}

static void test_golden(void **state)
{
    static const char *const name[] = {
        "zeroshot",    "gopro",         "gopro_no_moco", "gopro_con",        "train",        "coop",
        "coop_middle", "coop_front",    "coop_csc",      "coop_train",       "cocoop",       "cocoop_train",
        "maple",       "maple_shallow", "maple_train",   "stylip",           "stylip_train", "slip",
        "slip_train",  "release",       "release_one",   "release_repaired", "release_few",  "release_train"};
    fixture *f = *state;
    for (size_t i = 0; i < GP_COUNT(name); i++) {
        char path[512];
        gopro_error err = {0};
        snprintf(path, sizeof path, GOLDEN "%s.safetensors", name[i]);
        if (gp_step_case(WEIGHTS, path, f->out, f->c, GP_F32, &err) != GOPRO_OK) fail_msg("%s: %s", name[i], err.msg);
        compare(path, f->out);
    }
}

/* What is changed in a copy of a case. */
typedef struct edit {
    const char *drop, *rename, *to; /* a tensor left out; a tensor renamed */
    const char *key, *value;        /* metadata set, or removed if value is NULL */
    const char *tensor;             /* first number of this tensor set to `number` */
    double number;
    const char *cut; /* the last row of this tensor left out */
} edit;

static void add_tensor(gp_st_writer *w, const gp_tensor *t, const edit *e, void **kept)
{
    size_t shape[GP_MAX_RANK];
    memcpy(shape, t->shape, sizeof shape);
    const char *name = e->rename && strcmp(t->name, e->rename) == 0 ? e->to : t->name;
    if (e->drop && strcmp(t->name, e->drop) == 0) return;
    if (e->cut && strcmp(t->name, e->cut) == 0) shape[0]--;
    const bool change = e->tensor && strcmp(t->name, e->tensor) == 0;
    if (t->dtype == GP_DT_I32) {
        int32_t *v = calloc(t->count + 1, sizeof *v);
        assert_int_equal(gp_tensor_to_i32(v, t, NULL), GOPRO_OK);
        if (change) v[0] = (int32_t)e->number;
        gp_st_writer_add(w, name, GP_DT_I32, shape, t->rank, v, false);
        *kept = v;
        return;
    }
    double *v = numbers(t);
    if (change) v[0] = e->number;
    gp_st_writer_add(w, name, GP_DT_F32, shape, t->rank, v, true);
    *kept = v;
}

static void write_edited(const char *from, const char *to, const edit *e)
{
    gp_safetensors *f = NULL;
    gp_st_writer *w = gp_st_writer_create();
    assert_int_equal(gp_safetensors_open(&f, from, NULL), GOPRO_OK);
    const size_t n = gp_safetensors_count(f);
    void **kept = calloc(n, sizeof *kept);
    const char *key, *value;
    for (void *at = NULL; gp_safetensors_meta_next(f, &at, &key, &value);) {
        if (!e->key || strcmp(key, e->key) != 0) gp_st_writer_meta(w, key, value);
    }
    if (e->key && e->value) gp_st_writer_meta(w, e->key, e->value);
    for (size_t i = 0; i < n; i++) add_tensor(w, gp_safetensors_at(f, i), e, &kept[i]);
    assert_int_equal(gp_st_writer_commit(w, to, NULL), GOPRO_OK);
    for (size_t i = 0; i < n; i++) free(kept[i]);
    free(kept);
    gp_st_writer_free(&w);
    gp_safetensors_close(&f);
}

static void test_damaged_cases(void **state)
{
    static const struct {
        edit e;
        gopro_status status;
        const char *says;
    } damage[] = {
        {{.key = "method"}, GOPRO_E_DATA, "'method' is missing"},
        {{.key = "method", .value = "promptsrc"}, GOPRO_E_UNSUPPORTED, "expected one of zeroshot, "},
        {{.key = "method", .value = "gopro"}, GOPRO_E_DATA, "'param.content.linear.0.weight' is missing"},
        {{.key = "method", .value = "magic"}, GOPRO_E_UNSUPPORTED, "unknown method 'magic'"},
        {{.key = "n_ctx"}, GOPRO_E_DATA, "'n_ctx' is missing"},
        {{.key = "n_ctx", .value = "four"}, GOPRO_E_DATA, "'n_ctx' is 'four'"},
        {{.key = "n_ctx", .value = "2"}, GOPRO_E_DATA, "'param.ctx'"},
        {{.key = "n_ctx", .value = "99999999999999999999"}, GOPRO_E_DATA, "'n_ctx'"},
        {{.key = "alpha", .value = "nan"}, GOPRO_E_DATA, "alpha"},
        {{.key = "lambda_ce", .value = "-1"}, GOPRO_E_DATA, "lambda_ce"},
        {{.key = "frg_norm", .value = "round"}, GOPRO_E_DATA, "frg_norm"},
        {{.key = "cfg.embed", .value = "512"}, GOPRO_E_DATA, "embed = 512, these have 14"},
        {{.key = "frg_center", .value = "1"}, GOPRO_E_DATA, "'param.center.mu' is missing"},
        {{.key = "decoder_bias", .value = "0"}, GOPRO_E_DATA, "decoder.bias' is no parameter"},
        {{.key = "steps", .value = "3"}, GOPRO_E_DATA, "'epochs' is missing"},
        {{.drop = "in.image"}, GOPRO_E_DATA, "'in.image' is missing"},
        {{.drop = "in.view_moco"}, GOPRO_E_DATA, "'in.view_moco' is missing"},
        {{.drop = "in.tokens"}, GOPRO_E_DATA, "'in.tokens'"},
        {{.drop = "in.label"}, GOPRO_E_DATA, "'in.label' is missing"},
        {{.drop = "param.rho.au.mix"}, GOPRO_E_DATA, "'param.rho.au.mix' is missing"},
        {{.cut = "in.label"}, GOPRO_E_DATA, "'in.label' has shape [ 2 ], expected [ 3 ]"},
        {{.cut = "in.view_augmix"}, GOPRO_E_DATA, "'in.view_augmix' has shape"},
        {{.cut = "param.projector.weight"}, GOPRO_E_DATA, "'param.projector.weight' has shape"},
        {{.tensor = "in.label", .number = 6}, GOPRO_E_DATA, "holds 6, expected 0 to 5"},
        {{.tensor = "in.label", .number = -1}, GOPRO_E_DATA, "holds -1"},
        {{.tensor = "in.tokens", .number = 40}, GOPRO_E_DATA, "holds 40, expected 0 to 39"},
        {{.tensor = "in.tokens", .number = 39}, GOPRO_E_DATA, "'in.tokens'"}, /* the end token comes first: no room for the context */
        {{.tensor = "param.ctx", .number = HUGE_VAL}, GOPRO_E_DATA, "not finite"},
        {{.rename = "in.name_len", .to = "param.extra"}, GOPRO_E_DATA, "'param.extra' is no parameter"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < GP_COUNT(damage); i++) {
        gopro_error err = {0};
        write_edited(GOLDEN "gopro.safetensors", f->edited, &damage[i].e);
        const gopro_status st = gp_step_case(WEIGHTS, f->edited, f->out, f->c, GP_F32, &err);
        if (st != damage[i].status || !strstr(err.msg, damage[i].says)) fail_msg("damage %zu: status %d, '%s'", i, (int)st, err.msg);
        assert_false(gp_path_exists(f->out));
    }
}

static void test_missing_files(void **state)
{
    fixture *f = *state;
    gopro_error err = {0};
    assert_int_equal(gp_step_case(WEIGHTS, "no-such-case", f->out, f->c, GP_F32, &err), GOPRO_E_IO);
    assert_int_not_equal(gp_step_case("no-such-weights", GOLDEN "gopro.safetensors", f->out, f->c, GP_F32, &err), GOPRO_OK);
    assert_int_equal(gp_write_file(f->edited, "not a case", 10, NULL), GOPRO_OK);
    assert_int_equal(gp_step_case(WEIGHTS, f->edited, f->out, f->c, GP_F32, &err), GOPRO_E_DATA);
    /* the weights themselves are no case */
    assert_int_equal(gp_step_case(WEIGHTS, WEIGHTS, f->out, f->c, GP_F32, &err), GOPRO_E_DATA);
}

static void test_options_change_the_result(void **state)
{
    fixture *f = *state;
    gopro_error err = {0};
    gp_safetensors *a = NULL, *b = NULL;
    write_edited(GOLDEN "gopro.safetensors", f->edited, &(edit){.key = "frg_norm", .value = "rms"});
    assert_int_equal(gp_step_case(WEIGHTS, f->edited, f->out, f->c, GP_F32, &err), GOPRO_OK);
    assert_int_equal(gp_safetensors_open(&a, GOLDEN "gopro.safetensors", NULL), GOPRO_OK);
    assert_int_equal(gp_safetensors_open(&b, f->out, NULL), GOPRO_OK);
    assert_true(distance(gp_safetensors_find(a, "out.logits"), gp_safetensors_find(b, "out.logits"), 0) > 1e-3);
    /* F_l is sqrt(Dt) times the unit-norm one */
    double *u = numbers(gp_safetensors_find(a, "out.frg")), *r = numbers(gp_safetensors_find(b, "out.frg"));
    for (size_t i = 0; i < 20; i++) assert_true(fabs(r[i] - sqrt(20) * u[i]) < 1e-5);
    free(u);
    free(r);
    gp_safetensors_close(&a);
    gp_safetensors_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_cases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_options_change_the_result, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
