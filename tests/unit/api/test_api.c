/* test_api.c - the public interface from the outside: arguments, options, and the whole way from a folder of images to a prediction.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <gopro/gopro.h>
#include <math.h>
#include <sys/stat.h>

#include "base/file.h"
#include "encoders/model.h"
#include "image/image.h"
#include "scratch.h"
#include "text/tokenizer.h"
#include "train/import.h"
#include "weights/clip.h"

static void null_arguments(void **state)
{
    (void)state;
    gopro_error err = {0};
    gopro_model *m = NULL;
    gopro_result *r = NULL;
    gopro_config *c = NULL;
    assert_int_equal(gopro_config_create(NULL, &err), GOPRO_E_INVALID);
    assert_int_equal(gopro_config_create(&c, &err), GOPRO_OK);
    assert_int_equal(gopro_model_load(&m, NULL, c, &err), GOPRO_E_INVALID);
    assert_int_equal(gopro_model_load(&m, "x", NULL, NULL), GOPRO_E_INVALID);
    assert_int_equal(gopro_train(&r, NULL, NULL, c, "d", GOPRO_ALL, "o", NULL, &err), GOPRO_E_INVALID);
    assert_non_null(strstr(err.msg, "model"));
    assert_int_equal(gopro_config_set(c, NULL, "1", &err), GOPRO_E_INVALID);
    gopro_plan *plan = NULL;
    assert_int_equal(gopro_plan_create(&plan, NULL, c, NULL, &err), GOPRO_E_INVALID);
    assert_null(plan);
    assert_int_equal(gopro_plan_run(NULL, NULL, 0, &err), GOPRO_E_INVALID);
    assert_int_equal(gopro_plan_run_all(NULL, NULL, &err), GOPRO_E_INVALID);
    assert_int_equal(gopro_report(NULL, GOPRO_TABLE_TEXT, NULL, "b2n", NULL, &err), GOPRO_E_INVALID);
    assert_int_equal(gopro_report(NULL, GOPRO_TABLE_TEXT, "/nowhere", "b2n", NULL, &err), GOPRO_E_INVALID);
    gopro_plan_free(&plan);
    gopro_config_free(&c);
    assert_null(c);
    gopro_config_free(&c);
    gopro_config_free(NULL);
    gopro_model_free(NULL);
    gopro_result_free(&r);
    gopro_context_free(NULL);
}

static void options_by_name(void **state)
{
    (void)state;
    gopro_error err = {0};
    gopro_config *c = NULL;
    assert_int_equal(gopro_config_create(&c, &err), GOPRO_OK);
    assert_false(gopro_config_is_set(c, "optim.epochs") || gopro_config_is_set(c, "no-such-option"));
    assert_int_equal(gopro_config_set(c, "optim.epochs", "7", &err), GOPRO_OK);
    assert_true(gopro_config_is_set(c, "optim.epochs") && !gopro_config_is_set(c, "optim.lr"));
    char *v = gopro_config_get(c, "optim.epochs");
    assert_string_equal(v, "7");
    gopro_string_free(v);
    assert_int_equal(gopro_config_set(c, "optim.epoch", "7", &err), GOPRO_E_INVALID);
    assert_non_null(strstr(err.msg, "optim.epochs"));
    assert_null(gopro_config_get(c, "nothing"));
    char *yaml = gopro_config_yaml(c);
    assert_non_null(strstr(yaml, "epochs: 7\n"));
    gopro_string_free(yaml);
    for (size_t i = 0; i < gopro_option_count(); i++) assert_true(gopro_option_name(i) && gopro_option_default(i) && gopro_option_help(i));
    assert_null(gopro_option_name(gopro_option_count()));
    gopro_config_free(&c);
}

typedef struct world {
    char dir[64], model[96], data[96], out[96];
} world;

static void make_model(const world *w)
{
    static const char *const text[] = {"a photo of a dark thing.", "a photo of a light thing.", "a photo of a grey thing."};
    gp_clip_arch a = {.image = 16, .patch = 8, .context = 20, .embed = 16};
    gp_clip_weights *cw = NULL;
    gp_tokenizer *t = NULL;
    gopro_error err = {0};
    assert_int_equal(gp_mkdirs(w->model, &err), GOPRO_OK);
    assert_int_equal(gp_bpe_learn(text, 3, 514 + 20, w->model, &err), GOPRO_OK);
    assert_int_equal(gp_tokenizer_load(&t, w->model, 0, &err), GOPRO_OK);
    a.vocab = gp_tokenizer_vocab(t);
    a.sot = gp_tokenizer_sot(t);
    a.eot = gp_tokenizer_eot(t);
    gp_tokenizer_free(&t);
    a.v = a.t = (gp_tower_arch){.width = 16, .layers = 2, .heads = 2, .hidden = 64, .act = GP_ACT_QUICKGELU, .eps = 1e-5};
    for (size_t c = 0; c < 3; c++) a.mean[c] = a.std[c] = 0.5F;
    assert_int_equal(gp_clip_init(&cw, &a, 3, &err), GOPRO_OK);
    assert_int_equal(gp_clip_save(cw, w->model, 1, NULL, &err), GOPRO_OK); /* 1: GP_DT_F32 */
    gp_clip_free(&cw);
}

static void make_data(const world *w)
{
    static const char *const name[] = {"dark", "grey", "light"}, *const level[] = {"train", "test"};
    char path[256];
    for (size_t k = 0; k < 3; k++)
        for (size_t l = 0; l < 2; l++)
            for (size_t i = 0; i < 4; i++) {
                gp_image im = {0};
                snprintf(path, sizeof path, "%s/%s/%s", w->data, level[l], name[k]);
                assert_int_equal(gp_mkdirs(path, NULL), GOPRO_OK);
                snprintf(path, sizeof path, "%s/%s/%s/%zu.png", w->data, level[l], name[k], i);
                assert_int_equal(gp_image_alloc(&im, 18, 18, 3, NULL), GOPRO_OK);
                for (size_t p = 0; p < 18 * 18 * 3; p++) im.px[p] = (uint8_t)(20 + k * 90 + (p * (i + 1) + l) % 40);
                assert_int_equal(gp_image_write_png(&im, path, NULL), GOPRO_OK);
                gp_image_free(&im);
            }
}

static int setup(void **state)
{
    static world w;
    scratch_make(w.dir);
    snprintf(w.model, sizeof w.model, "%s/model", w.dir);
    snprintf(w.data, sizeof w.data, "%s/data", w.dir);
    snprintf(w.out, sizeof w.out, "%s/run", w.dir);
    make_model(&w);
    make_data(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    world *w = *state;
    scratch_remove(w->dir);
    return 0;
}

typedef struct counter {
    size_t lines, steps, stop_after;
    size_t last_done;
} counter;

static void on_log(void *user, gopro_log_level level, const char *text)
{
    (void)level;
    assert_null(strchr(text, '\n'));
    ((counter *)user)->lines++;
}

static void on_progress(void *user, const gopro_progress *p)
{
    counter *c = user;
    if (strcmp(p->what, "train") != 0) return;
    assert_true(p->done > c->last_done && p->done <= p->total && p->has_loss && isfinite(p->loss));
    c->last_done = p->done;
    c->steps++;
}

static int on_cancel(void *user)
{
    const counter *c = user;
    return c->stop_after > 0 && c->steps >= c->stop_after;
}

static void train_and_predict(void **state)
{
    world *w = *state;
    gopro_error err = {0};
    gopro_context *x = NULL;
    gopro_config *c = NULL;
    gopro_model *m = NULL;
    gopro_result *r = NULL;
    gopro_predictor *p = NULL;
    counter n = {.stop_after = 5};
    assert_int_equal(gopro_context_create(&x, &err), GOPRO_OK);
    gopro_context_set_log(x, on_log, &n);
    gopro_context_set_progress(x, on_progress, &n);
    gopro_context_set_cancel(x, on_cancel, &n);
    assert_int_equal(gopro_config_create(&c, &err), GOPRO_OK);
    assert_int_equal(gopro_config_set(c, "optim.epochs", "4", &err), GOPRO_OK);
    assert_int_equal(gopro_config_set(c, "shots", "4", &err), GOPRO_OK);
    if (gopro_model_load(&m, w->model, c, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(gopro_model_image_size(m), 16);
    assert_int_equal(strlen(gopro_model_hash(m)), 64);

    /* cancelled after five steps, then taken up again: twelve steps in all */
    assert_int_equal(gopro_train(&r, x, m, c, w->data, GOPRO_ALL, w->out, NULL, &err), GOPRO_E_CANCELLED);
    assert_null(r);
    assert_int_equal(n.steps, 5);
    n.stop_after = 0;
    if (gopro_train(&r, x, m, c, w->data, GOPRO_ALL, w->out, NULL, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(n.steps, 12);
    assert_true(n.lines > 0);
    gopro_scores s;
    assert_int_equal(gopro_result_scores(r, GOPRO_ALL, &s), 1);
    assert_int_equal(s.images, 12);
    assert_int_equal(gopro_result_scores(r, GOPRO_NEW, &s), 0);
    assert_false(gopro_result_was_done(r));
    gopro_result_free(&r);
    assert_int_equal(gopro_train(&r, x, m, c, w->data, GOPRO_ALL, w->out, NULL, &err), GOPRO_OK);
    assert_true(gopro_result_was_done(r));
    gopro_result_free(&r);

    char image[200];
    double prob[3];
    snprintf(image, sizeof image, "%s/test/dark/0.png", w->data);
    if (gopro_predictor_create(&p, m, c, w->out, NULL, 0, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(gopro_predictor_class_count(p), 3);
    assert_string_equal(gopro_predictor_class_name(p, 1), "grey");
    assert_int_equal(gopro_predict_file(p, image, prob, &err), GOPRO_OK);
    assert_true(fabs(prob[0] + prob[1] + prob[2] - 1) < 1e-12);
    double from_memory[3];
    char *bytes = NULL;
    size_t size = 0;
    assert_int_equal(gp_read_file(&bytes, &size, image, 1 << 20, &err), GOPRO_OK);
    assert_int_equal(gopro_predict_memory(p, bytes, size, from_memory, &err), GOPRO_OK);
    assert_memory_equal(prob, from_memory, sizeof prob);
    assert_int_equal(gopro_predict_memory(p, "text", 4, prob, &err), GOPRO_E_DATA);
    free(bytes);
    gopro_predictor_free(&p);

    /* a class's probability ratio does not depend on the other classes offered */
    static const char *const two[] = {"light", "dark"}, *const twice[] = {"a", "a"};
    assert_int_equal(gopro_predictor_create(&p, m, c, w->out, two, 2, &err), GOPRO_OK);
    assert_int_equal(gopro_predict_file(p, image, prob, &err), GOPRO_OK);
    assert_true(fabs(prob[0] / prob[1] / (from_memory[2] / from_memory[0]) - 1) < 1e-4);
    gopro_predictor_free(&p);
    assert_int_equal(gopro_predictor_create(&p, m, c, w->out, twice, 2, &err), GOPRO_E_INVALID);
    assert_int_equal(gopro_predictor_create(&p, m, c, NULL, NULL, 0, &err), GOPRO_E_INVALID);

    if (gopro_evaluate(&r, x, m, c, w->out, w->data, GOPRO_NEW, NULL, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(gopro_result_class_count(r), 1);
    assert_string_equal(gopro_result_class_name(r, 0), "light");
    gopro_result_free(&r);
    gopro_model_free(&m);
    gopro_config_free(&c);
    gopro_context_free(&x);
}

/* Another number at the end of the weights, written in place; `later` makes the time another one, however fast the test is. */
static void rewrite_weights(const world *w, long later)
{
    char path[128];
    snprintf(path, sizeof path, "%s/model.safetensors", w->model);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -4, SEEK_END), 0);
    assert_int_equal(fwrite("\0\0\0", 1, 4, f), 4);
    assert_int_equal(fclose(f), 0);
    const struct timespec t[2] = {{0, UTIME_NOW}, {1700000000 + later, 0}};
    assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

/* Once its file is written to, a model predicts nothing, is tested on nothing, neither with cached features nor with new ones. */
static void weights_changed_in_use(void **state)
{
    world *w = *state;
    static const char *const names[] = {"dark", "light"};
    gopro_error err = {0};
    gopro_config *c = NULL;
    gopro_model *m = NULL;
    gopro_result *r = NULL;
    gopro_predictor *p = NULL;
    char image[200], cache[128];
    double prob[2];
    snprintf(image, sizeof image, "%s/test/dark/0.png", w->data);
    snprintf(cache, sizeof cache, "%s/cache", w->dir);
    assert_int_equal(gopro_config_create(&c, &err), GOPRO_OK);
    if (gopro_model_load(&m, w->model, c, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(gopro_predictor_create(&p, m, c, NULL, names, 2, &err), GOPRO_OK);
    assert_int_equal(gopro_predict_file(p, image, prob, &err), GOPRO_OK);
    assert_int_equal(gopro_evaluate(&r, NULL, m, c, NULL, w->data, GOPRO_ALL, cache, &err), GOPRO_OK);
    gopro_result_free(&r);
    rewrite_weights(w, 0);
    assert_int_equal(gopro_predict_file(p, image, prob, &err), GOPRO_E_WEIGHTS);
    assert_non_null(strstr(err.msg, "was changed while it was in use"));
    assert_int_equal(gopro_evaluate(&r, NULL, m, c, NULL, w->data, GOPRO_ALL, cache, &err), GOPRO_E_WEIGHTS);
    assert_null(r);
    scratch_remove(cache);
    assert_int_equal(gopro_evaluate(&r, NULL, m, c, NULL, w->data, GOPRO_ALL, cache, &err), GOPRO_E_WEIGHTS);
    assert_false(gp_path_exists(cache)); /* features of nobody knows which weights are not kept */
    gopro_predictor_free(&p);
    gopro_model_free(&m);
    gopro_config_free(&c);
}

/* Nor is it packed, or imported. */
static void weights_changed_before_use(void **state)
{
    world *w = *state;
    gopro_error err = {0};
    gp_clip_weights *cw = NULL;
    gp_tokenizer *t = NULL;
    gp_compute *k = NULL;
    gp_model *m = NULL;
    char out[128], hash[65];
    snprintf(out, sizeof out, "%s/imported", w->dir);
    assert_int_equal(gp_clip_load(&cw, w->model, &err), GOPRO_OK);
    assert_int_equal(gp_tokenizer_load(&t, w->model, 0, &err), GOPRO_OK);
    assert_int_equal(gp_compute_create(&k, 1, NULL, &err), GOPRO_OK);
    rewrite_weights(w, 1);
    assert_int_equal(gp_model_create(&m, k, cw, GP_F32, false, &err), GOPRO_E_WEIGHTS);
    assert_null(m);
    assert_int_equal(gp_import_write(cw, t, out, 1, hash, NULL, &err), GOPRO_E_WEIGHTS); /* 1: GP_DT_F32 */
    assert_non_null(strstr(err.msg, "was changed while it was in use"));
    assert_false(gp_path_exists(out));
    gp_compute_free(&k);
    gp_tokenizer_free(&t);
    gp_clip_free(&cw);
}

static bool soon(void *left)
{
    int *n = left;
    return (*n)-- <= 0;
}

/* Whenever an import is interrupted, nothing is left of it. */
static void import_interrupted(void **state)
{
    world *w = *state;
    gopro_error err = {0};
    gp_clip_weights *cw = NULL;
    gp_tokenizer *t = NULL;
    char out[128], hash[65];
    int left = 0, asked = 0;
    snprintf(out, sizeof out, "%s/stopped", w->dir);
    assert_int_equal(gp_clip_load(&cw, w->model, &err), GOPRO_OK);
    assert_int_equal(gp_tokenizer_load(&t, w->model, 0, &err), GOPRO_OK);
    for (; asked < 1000; asked++) {
        left = asked;
        const gp_log log = {.cancelled = soon, .user = &left};
        if (gp_import_write(cw, t, out, 1, hash, &log, &err) == GOPRO_OK) break;
        assert_int_equal(err.code, GOPRO_E_CANCELLED);
        assert_false(gp_path_exists(out));
        char **name = NULL;
        size_t n = 0;
        assert_int_equal(gp_list_dir(&name, &n, w->dir, &err), GOPRO_OK);
        for (size_t i = 0; i < n; i++) assert_null(strstr(name[i], "stopped"));
        gp_list_free(&name, n);
    }
    assert_in_range(asked, 10, 999); /* it asks at every tensor */
    assert_true(gp_path_exists(out));
    gp_tokenizer_free(&t);
    gp_clip_free(&cw);
}

/* Images whose pixels outweigh everything else, for the estimate of memory. */
static void make_large(const char *folder)
{
    static const char *const name[] = {"a", "b", "c"};
    char path[256];
    gp_image im = {0};
    assert_int_equal(gp_image_alloc(&im, 1600, 1600, 3, NULL), GOPRO_OK);
    memset(im.px, 90, (size_t)1600 * 1600 * 3);
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 3; i++) {
            const char *level = i < 2 ? "train" : "test";
            snprintf(path, sizeof path, "%s/%s/%s", folder, level, name[k]);
            assert_int_equal(gp_mkdirs(path, NULL), GOPRO_OK);
            snprintf(path, sizeof path, "%s/%s/%s/%zu.png", folder, level, name[k], i);
            assert_int_equal(gp_image_write_png(&im, path, NULL), GOPRO_OK);
        }
    gp_image_free(&im);
}

/* One estimate of a run of each method: of the first seed, and of the second if it is asked for. */
static void estimate(gopro_estimate e[2], const world *w, const char *method, const char *cache_mib)
{
    static const uint64_t seed[] = {1, 2};
    char data[96], out[96];
    const char *const set = data;
    gopro_error err = {0};
    gopro_config *c = NULL;
    gopro_model *m = NULL;
    gopro_plan *p = NULL;
    snprintf(data, sizeof data, "%s/large", w->dir);
    snprintf(out, sizeof out, "%s/plan", w->dir);
    const gopro_plan_request q = {
        .protocol = GOPRO_B2N, .methods = &method, .n_methods = 1, .data = &set, .n_data = 1, .seeds = seed, .n_seeds = 2, .out = out};
    assert_int_equal(gopro_config_create(&c, &err), GOPRO_OK);
    assert_int_equal(gopro_config_set(c, "shots", "2", &err), GOPRO_OK);
    assert_int_equal(gopro_config_set(c, "data.cache_mib", cache_mib, &err), GOPRO_OK);
    if (gopro_model_load(&m, w->model, c, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    if (gopro_plan_create(&p, m, c, &q, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    assert_int_equal(gopro_plan_run_count(p), 2);
    for (size_t i = 0; i < 2; i++)
        if (gopro_plan_estimate(&e[i], NULL, p, i, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    gopro_plan_free(&p);
    gopro_model_free(&m);
    gopro_config_free(&c);
}

static void estimates(void **state)
{
    const world *w = *state;
    char large[96];
    gopro_estimate e[2], some[2], all[2];
    snprintf(large, sizeof large, "%s/large", w->dir);
    make_large(large);
    estimate(e, w, "tip_adapter", "0");
    assert_true(!e[0].done && e[0].seconds == 0 && e[1].seconds == 0); /* no epochs */
    estimate(e, w, "gopro", "0");
    assert_true(e[0].seconds > 0 && e[0].seconds == e[1].seconds); /* measured once for all seeds */
    /* Four shots of 7.3 MiB once decoded.  In this order, as what a process holds only grows (a sanitizer keeps freed memory for long). */
    estimate(some, w, "gopro", "10");
    estimate(all, w, "gopro", "2048");
    assert_true(all[0].peak_rss_mib >= e[0].peak_rss_mib + 20);
    assert_true(all[0].peak_rss_mib >= some[0].peak_rss_mib + 12); /* of which 10 MiB are kept */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(null_arguments),
                                       cmocka_unit_test(options_by_name),
                                       cmocka_unit_test_setup_teardown(train_and_predict, setup, teardown),
                                       cmocka_unit_test_setup_teardown(weights_changed_in_use, setup, teardown),
                                       cmocka_unit_test_setup_teardown(weights_changed_before_use, setup, teardown),
                                       cmocka_unit_test_setup_teardown(import_interrupted, setup, teardown),
                                       cmocka_unit_test_setup_teardown(estimates, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
