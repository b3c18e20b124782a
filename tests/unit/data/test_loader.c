/* test_loader.c - batches do not depend on the threads; order, errors, stopping; the image store and the test transform.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pool.h"
#include "base/sha256.h"
#include "data/loader.h"
#include "image_folder.h"
#include "scratch.h"

enum { N = 11, R = 16, PLENTY = 1 << 20 };

static char root[64];
static gp_item item[N];
static char names[N][32];

static const gp_view_config view = {.size = R,
                                    .mean = {0.48f, 0.46f, 0.41f},
                                    .std = {0.27f, 0.26f, 0.28f},
                                    .scale_min = 0.08,
                                    .scale_max = 1.0,
                                    .moco_recipe = 1,
                                    .augmix_severity = 1};

static int setup(void **state)
{
    (void)state;
    scratch_make(root);
    for (uint32_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "c%u/%02u.png", i % 3, i);
        folder_image(root, names[i], 12 + i, 20, i);
        item[i] = (gp_item){.path = names[i], .label = i % 3};
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(root);
    return 0;
}

static gp_loader_config config(size_t batch, size_t epochs, size_t threads, size_t ahead)
{
    return (gp_loader_config){.view = view,
                              .want = {true, true, true, true, true},
                              .batch = batch,
                              .epochs = epochs,
                              .seed = 5,
                              .threads = threads,
                              .ahead = ahead};
}

static gp_image_store *make_store(size_t max_bytes)
{
    gp_image_store *s = NULL;
    gopro_error err = {0};
    if (gp_image_store_create(&s, root, item, N, max_bytes, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    return s;
}

static void add_batch(gp_sha256 *h, const gp_batch *b)
{
    const size_t n = b->B * 3 * R * R * sizeof(float);
    uint64_t where[2] = {b->epoch, b->iter};
    gp_sha256_add(h, where, sizeof where);
    gp_sha256_add(h, b->label, b->B * sizeof *b->label);
    gp_sha256_add(h, b->sample, b->B * sizeof *b->sample);
    for (size_t v = 0; v < GP_LOADER_VIEWS; v++)
        if (b->view[v]) gp_sha256_add(h, b->view[v], n);
}

/* Everything a run delivers from an epoch on, hashed. */
static size_t run_hash(char hex[65], gp_image_store *s, const gp_loader_config *c, bool give_back, size_t from_epoch)
{
    gp_loader *l = NULL;
    gopro_error err = {0};
    gp_sha256 h;
    size_t n = 0;
    gp_sha256_init(&h);
    if (gp_loader_create(&l, s, item, N, c, &err) != GOPRO_OK) fail_msg("%s", err.msg);
    for (;;) {
        gp_batch *b = NULL;
        if (gp_loader_next(l, &b, &err) != GOPRO_OK) fail_msg("%s", err.msg);
        if (!b) break;
        if (b->epoch >= from_epoch) add_batch(&h, b);
        n++;
        if (give_back) gp_loader_release(l, b);
    }
    gp_sha256_hex(&h, hex);
    gp_loader_free(&l);
    assert_null(l);
    return n;
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
    char want[65], got[65];
    gp_image_store *kept = make_store(PLENTY), *bare = make_store(0), *some = make_store(3000);
    gp_loader_config c = config(4, 3, 1, 1);
    assert_int_equal(run_hash(want, kept, &c, true, 0), 6);
    static const size_t threads[] = {1, 2, 4}, ahead[] = {1, 3, 8};
    for (size_t i = 0; i < 9; i++) {
        c = config(4, 3, threads[i % 3], ahead[i / 3]);
        run_hash(got, i % 2 ? kept : i % 4 ? some : bare, &c, i % 2 == 0, 0);
        assert_string_equal(got, want);
    }
    /* Resuming at epoch 1 gives what the whole run gave there. */
    c = config(4, 3, 2, 2);
    run_hash(want, kept, &c, true, 1);
    c.first_epoch = 1;
    assert_int_equal(run_hash(got, kept, &c, true, 1), 4);
    assert_string_equal(got, want);
    c = config(4, 3, 2, 2);
    c.seed = 6;
    run_hash(got, kept, &c, true, 1);
    assert_string_not_equal(got, want);
    gp_image_store_free(&kept);
    gp_image_store_free(&bare);
    gp_image_store_free(&some);
}

static void test_order(void **state)
{
    (void)state;
    gp_image_store *s = make_store(PLENTY);
    gp_loader_config c = config(4, 3, 2, 2);
    c.want[1] = c.want[2] = false;
    gp_loader *l;
    gp_batch *b;
    uint32_t first[8];
    assert_int_equal(gp_loader_create(&l, s, item, N, &c, NULL), GOPRO_OK);
    for (size_t e = 0; e < 3; e++) {
        bool seen[N] = {false};
        for (size_t i = 0; i < 2; i++) { /* 11 images, batch 4: two full batches, the rest dropped */
            assert_int_equal(gp_loader_next(l, &b, NULL), GOPRO_OK);
            assert_int_equal(b->epoch, e);
            assert_int_equal(b->iter, i);
            assert_int_equal(b->B, 4);
            assert_null(b->view[1]);
            for (size_t j = 0; j < 4; j++) {
                assert_false(seen[b->sample[j]]);
                seen[b->sample[j]] = true;
                assert_int_equal(b->label[j], item[b->sample[j]].label);
                /* The view is the one gp_views_make gives for this sample. */
                gp_image own;
                const gp_image *im;
                float x[3 * R * R];
                assert_int_equal(gp_image_store_get(s, b->sample[j], &own, &im, NULL), GOPRO_OK);
                assert_int_equal(gp_views_make(x, NULL, NULL, im, &view, c.seed, e, b->sample[j], NULL), GOPRO_OK);
                assert_memory_equal(x, b->view[0] + j * 3 * R * R, sizeof x);
                for (uint32_t a = 0; a < 2; a++) {
                    assert_int_equal(gp_ssl_view_make(x, im, &view, c.seed, e, b->sample[j], a, NULL), GOPRO_OK);
                    assert_memory_equal(x, b->view[3 + a] + j * 3 * R * R, sizeof x);
                }
                gp_image_free(&own);
            }
            if (e == 0) memcpy(first + 4 * i, b->sample, 4 * sizeof *first);
            if (e == 1 && i == 0) assert_memory_not_equal(first, b->sample, 4 * sizeof *first);
            gp_loader_release(l, b);
        }
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(gp_loader_next(l, &b, NULL), GOPRO_OK);
        assert_null(b);
    }
    gp_loader_free(&l);
    /* A list shorter than a batch is one short batch. */
    c.batch = 32;
    c.epochs = 1;
    assert_int_equal(gp_loader_create(&l, s, item, N, &c, NULL), GOPRO_OK);
    assert_int_equal(gp_loader_next(l, &b, NULL), GOPRO_OK);
    assert_int_equal(b->B, N);
    assert_int_equal(gp_loader_next(l, &b, NULL), GOPRO_OK);
    assert_null(b);
    gp_loader_free(&l);
    gp_image_store_free(&s);
    assert_int_equal(gp_loader_iters(80, 32), 2);
    assert_int_equal(gp_loader_iters(31, 32), 1);
    assert_int_equal(gp_loader_iters(32, 32), 1);
    assert_int_equal(gp_loader_iters(0, 32), 0);
}

/* METHODS 3.8 R8: with augmix_first the AugMix views of a batch are different draws from its first image's crop. */
static void test_augmix_of_the_first_image(void **state)
{
    (void)state;
    gp_image_store *s = make_store(PLENTY), *bare = make_store(0);
    for (int first = 0; first < 2; first++)
        for (size_t threads = 1; threads <= 3; threads += 2) {
            gp_loader_config c = config(4, 2, threads, 2);
            c.view.augmix_first = first;
            c.want[1] = false;
            gp_loader *l;
            gp_batch *b;
            assert_int_equal(gp_loader_create(&l, threads == 1 ? s : bare, item, N, &c, NULL), GOPRO_OK);
            for (int k = 0; k < 4; k++) {
                assert_int_equal(gp_loader_next(l, &b, NULL), GOPRO_OK);
                for (size_t j = 0; j < 4; j++) {
                    const size_t of = first ? b->sample[0] : b->sample[j];
                    gp_image own;
                    const gp_image *im;
                    float x[3 * R * R];
                    assert_int_equal(gp_image_store_get(s, of, &own, &im, NULL), GOPRO_OK);
                    assert_int_equal(gp_views_augmix(x, im, &c.view, c.seed, b->epoch, of, b->sample[j], NULL), GOPRO_OK);
                    assert_memory_equal(x, b->view[2] + j * 3 * R * R, sizeof x);
                    assert_int_equal(gp_views_make(x, NULL, NULL, im, &c.view, c.seed, b->epoch, of, NULL), GOPRO_OK);
                    if (of == b->sample[j]) assert_memory_equal(x, b->view[0] + j * 3 * R * R, sizeof x);
                    gp_image_free(&own);
                }
                gp_loader_release(l, b);
            }
            gp_loader_free(&l);
        }
    gp_image_store_free(&s);
    gp_image_store_free(&bare);
}

static void test_two_batches_held(void **state)
{
    (void)state;
    gp_image_store *s = make_store(PLENTY);
    gp_loader_config c = config(2, 4, 2, 1);
    gp_loader *l;
    gp_batch *b, *before = NULL;
    float x = 0.0f;
    assert_int_equal(gp_loader_create(&l, s, item, N, &c, NULL), GOPRO_OK);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(gp_loader_next(l, &b, NULL), GOPRO_OK);
        /* The batch before is still whole. */
        if (before) assert_true(before->view[0][7] == x && before != b);
        x = b->view[0][7];
        before = b;
    }
    gp_loader_free(&l);
    gp_image_store_free(&s);
}

static void test_stop_at_any_moment(void **state)
{
    (void)state;
    gp_image_store *s = make_store(PLENTY);
    for (size_t taken = 0; taken < 7; taken++)
        for (size_t threads = 1; threads <= 4; threads += 3) {
            gp_loader_config c = config(3, 1000, threads, 4);
            gp_loader *l;
            gp_batch *b;
            assert_int_equal(gp_loader_create(&l, s, item, N, &c, NULL), GOPRO_OK);
            for (size_t i = 0; i < taken; i++) {
                assert_int_equal(gp_loader_next(l, &b, NULL), GOPRO_OK);
                if (i % 2) gp_loader_release(l, b);
            }
            gp_loader_free(&l);
        }
    gp_image_store_free(&s);
}

static void test_loader_error(void **state)
{
    (void)state;
    char path[512];
    gp_image_store *s = make_store(0);
    folder_text(root, "c1/04.png", "no longer an image");
    gp_loader_config c = config(4, 20, 3, 2);
    gp_loader *l;
    gp_batch *b;
    gopro_error err = {0};
    gopro_status st;
    size_t n = 0;
    assert_int_equal(gp_loader_create(&l, s, item, N, &c, NULL), GOPRO_OK);
    while ((st = gp_loader_next(l, &b, &err)) == GOPRO_OK && b) n++;
    assert_int_equal(st, GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "c1/04.png"));
    assert_null(b);
    assert_true(n < 8);
    memset(&err, 0, sizeof err);
    assert_int_equal(gp_loader_next(l, &b, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "c1/04.png"));
    gp_loader_free(&l);
    gp_image_store_free(&s);
    /* The first bad image is the one reported, whatever the threads did. */
    folder_text(root, "c2/08.png", "");
    for (size_t t = 1; t <= 4; t++) {
        assert_int_equal(gp_image_store_create_with(&s, root, item, N, PLENTY, 0, false, t, NULL, &err), GOPRO_E_DATA);
        assert_null(s);
        assert_non_null(strstr(err.msg, "image 5 of 11"));
        assert_non_null(strstr(err.msg, "c1/04.png"));
        assert_non_null(strstr(err.msg, "text"));
    }
    remove(folder_path(path, root, "c0/00.png"));
    assert_int_equal(gp_image_store_create(&s, root, item, N, PLENTY, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, "c0/00.png"));
}

static void count_line(void *user, gp_log_level level, const char *text)
{
    (void)level;
    assert_non_null(strstr(text, "skipped"));
    ++*(int *)user;
}

static void test_skip_bad(void **state)
{
    (void)state;
    static const size_t bounds[] = {0, 3000, PLENTY};
    folder_text(root, "c1/04.png", "not an image");
    folder_text(root, "c1/10.png", "");
    for (size_t i = 0; i < 3; i++) {
        gp_image_store *s;
        gp_item list[N];
        int said = 0;
        gp_log log = {.write = count_line, .user = &said};
        memcpy(list, item, sizeof list);
        assert_int_equal(gp_image_store_create_with(&s, root, list, N, bounds[i], 0, true, 3, &log, NULL), GOPRO_OK);
        assert_int_equal(said, 2);
        for (size_t k = 0; k < N; k++) assert_int_equal(gp_image_store_bad(s, k), k == 4 || k == 10);
        assert_int_equal(gp_image_store_drop_bad(s, list, N), N - 2);
        assert_int_equal(gp_image_store_size(s), N - 2);
        assert_string_equal(list[4].path, "c2/05.png");
        gp_image own;
        const gp_image *im;
        assert_int_equal(gp_image_store_get(s, 4, &own, &im, NULL), GOPRO_OK);
        assert_int_equal(im->w, 12 + 5);
        gp_image_free(&own);
        assert_int_equal(gp_image_store_get(s, N - 2, &own, &im, NULL), GOPRO_E_INVALID);
        gp_loader *l;
        gp_loader_config c = config(3, 2, 2, 2);
        gopro_error err;
        assert_int_equal(gp_loader_create(&l, s, list, N, &c, &err), GOPRO_E_INVALID);
        assert_int_equal(gp_loader_create(&l, s, list, N - 2, &c, &err), GOPRO_OK);
        gp_batch *b;
        int n = 0;
        while (gp_loader_next(l, &b, NULL) == GOPRO_OK && b) n++;
        assert_int_equal(n, 6);
        gp_loader_free(&l);
        gp_image_store_free(&s);
    }
}

static void test_config_errors(void **state)
{
    (void)state;
    gp_image_store *s = make_store(PLENTY);
    gp_loader *l;
    gopro_error err;
    gp_loader_config c = config(0, 1, 1, 1);
    assert_int_equal(gp_loader_create(&l, s, item, N, &c, &err), GOPRO_E_INVALID);
    c = config(1, 1, 0, 1);
    assert_int_equal(gp_loader_create(&l, s, item, N, &c, &err), GOPRO_E_INVALID);
    c = config(1, 1, 1, 0);
    assert_int_equal(gp_loader_create(&l, s, item, N, &c, &err), GOPRO_E_INVALID);
    c = config(1, 1, 1, 1);
    assert_int_equal(gp_loader_create(&l, s, item, 0, &c, &err), GOPRO_E_DATA);
    assert_null(l);
    gp_image_store_free(&s);
}

/* A large JPEG is kept as small as its crops allow and tested as small as the transform allows; off, it is whole. */
static void test_scaled_decode(void **state)
{
    (void)state;
    enum { SIDE = 300 };
    char dir[64], path[512];
    uint8_t *jpeg;
    size_t n;
    gp_image im, own;
    const gp_image *kept;
    float x[2][3 * R * R];
    gp_view_config c = view;
    const gp_item it = {.path = "a.jpg"};
    assert_int_equal(gp_view_train_least(&c), 0);
    assert_int_equal(gp_view_test_least(&c), 0);
    c.scaled_decode = true;
    assert_int_equal(gp_view_test_least(&c), R);
    assert_int_equal(gp_view_train_least(&c), 66); /* 16 / sqrt(0.06) = 65.3 */
    c.resize = R + 2;
    assert_int_equal(gp_view_test_least(&c), R + 2);
    scratch_make(dir);
    assert_int_equal(gp_image_alloc(&im, SIDE, SIDE, 3, NULL), GOPRO_OK);
    for (uint32_t i = 0; i < SIDE * SIDE; i++) memset(im.px + 3 * i, (int)(i % SIDE / 2 + i / SIDE / 4), 3);
    assert_int_equal(gp_image_encode_jpeg(&jpeg, &n, &im, 90, NULL), GOPRO_OK);
    assert_int_equal(gp_write_file(folder_path(path, dir, it.path), jpeg, n, NULL), GOPRO_OK);
    static const uint32_t side[2] = {SIDE, SIDE / 4};
    for (size_t i = 0; i < 2; i++) {
        gp_image_store *s;
        c.scaled_decode = i == 1;
        assert_int_equal(gp_image_store_create_with(&s, dir, &it, 1, i ? 0 : PLENTY, gp_view_train_least(&c), false, 1, NULL, NULL),
                         GOPRO_OK);
        assert_int_equal(gp_image_store_get(s, 0, &own, &kept, NULL), GOPRO_OK);
        assert_int_equal(kept->w, side[i]);
        gp_image_free(&own);
        gp_image_store_free(&s);
        assert_int_equal(gp_test_pixels(x[i], dir, &it, 1, &c, NULL, NULL), GOPRO_OK);
    }
    float most = 0.0f;
    for (size_t i = 0; i < 3 * R * R; i++) {
        const float d = x[0][i] > x[1][i] ? x[0][i] - x[1][i] : x[1][i] - x[0][i];
        most = d > most ? d : most;
    }
    assert_true(most > 0.0f && most < 0.2f); /* of numbers between -2 and 2 */
    free(jpeg);
    gp_image_free(&im);
    scratch_remove(dir);
}

static void test_pixels(void **state)
{
    (void)state;
    enum { FLOATS = 3 * R * R };
    float *x = malloc(2 * N * FLOATS * sizeof *x), *y = x + N * FLOATS;
    assert_int_equal(gp_test_pixels(x, root, item, N, &view, NULL, NULL), GOPRO_OK);
    for (size_t threads = 1; threads <= 3; threads++) {
        gp_pool *p;
        assert_int_equal(gp_pool_create(&p, threads, NULL), GOPRO_OK);
        memset(y, 0, N * FLOATS * sizeof *y);
        assert_int_equal(gp_test_pixels(y, root, item, N, &view, p, NULL), GOPRO_OK);
        assert_memory_equal(x, y, N * FLOATS * sizeof *y);
        gp_pool_free(&p);
    }
    char path[512];
    gp_image im, crop;
    assert_int_equal(gp_image_read(&im, folder_path(path, root, names[7]), NULL), GOPRO_OK);
    assert_int_equal(gp_image_center(&crop, &im, R, GP_BICUBIC, NULL), GOPRO_OK);
    gp_image_normalise(y, &crop, view.mean, view.std);
    assert_memory_equal(y, x + 7 * FLOATS, FLOATS * sizeof *y);
    gp_image_free(&im);
    gp_image_free(&crop);
    gopro_error err;
    gp_pool *p;
    folder_text(root, names[9], "x");
    folder_text(root, names[3], "GIF89a");
    assert_int_equal(gp_pool_create(&p, 3, NULL), GOPRO_OK);
    assert_int_equal(gp_test_pixels(y, root, item, N, &view, p, &err), GOPRO_E_DATA);
    assert_non_null(strstr(err.msg, names[3]));
    assert_non_null(strstr(err.msg, "GIF"));
    gp_pool_free(&p);
    free(x);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_threads_do_not_matter),
        T(test_order),
        T(test_augmix_of_the_first_image),
        T(test_two_batches_held),
        T(test_stop_at_any_moment),
        T(test_loader_error),
        T(test_skip_bad),
        T(test_config_errors),
        T(test_scaled_decode),
        T(test_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
