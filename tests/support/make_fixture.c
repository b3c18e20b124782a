/* make_fixture.c - makes what the command-line tests run on: a tiny random CLIP with its vocabulary, and folders of coloured shapes.
 *
 *   make_fixture model FOLDER [seed]
 *   make_fixture data FOLDER CLASSES TRAIN TEST     train/ and test/ levels, images per class
 *   make_fixture nan FOLDER                         a model whose weights hold a NaN
 *   make_fixture features MODEL [auto]              image and text features of fixed inputs, those of scripts/golden/checkpoints.py; auto:
 *                                                   with this machine's kernels instead of the plain ones, for models of full size
 *   make_fixture load MODEL                         loads the weights and says how long it took
 *   make_fixture compare FILE NAME                  standard input against the line of FILE that begins with NAME
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/str.h"
#include "encoders/text.h"
#include "encoders/vision.h"
#include "fixture_model.h"
#include "image/image.h"
#include "text/tokenizer.h"
#include "weights/clip.h"
#include "weights/safetensors.h"

static const char *const colour[] = {"blue", "green", "red", "yellow"};
static const uint8_t rgb[][3] = {{40, 60, 220}, {30, 180, 60}, {220, 40, 40}, {230, 210, 40}};
static const char *const shape[] = {"circle", "cross", "square"};
#define MAX_CLASSES 12

static int failed(const gopro_error *err)
{
    fprintf(stderr, "make_fixture: %s\n", err->msg);
    return 1;
}

static bool inside(size_t s, double x, double y, double r)
{
    if (s == 0) return x * x + y * y < r * r;
    if (s == 1) return fabs(x) < r / 3 || fabs(y) < r / 3;
    return fabs(x) < r && fabs(y) < r;
}

static gopro_status draw(const char *path, size_t k, uint64_t sample, gopro_error *err)
{
    enum { SIDE = 40 };
    gp_image im = {0};
    gp_rng r = gp_rng_make(7, GP_RNG_TEST, k, sample);
    GP_TRY(gp_image_alloc(&im, SIDE, SIDE, 3, err));
    double cx = gp_rng_range(&r, 14, 26), cy = gp_rng_range(&r, 14, 26), radius = gp_rng_range(&r, 7, 13);
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 0; x < SIDE; x++) {
            bool in = inside(k / 4 % 3, (double)x - cx, (double)y - cy, radius);
            for (size_t c = 0; c < 3; c++) im.px[(y * SIDE + x) * 3 + c] = in ? rgb[k % 4][c] : (uint8_t)(200 + gp_rng_below(&r, 50));
        }
    gopro_status st = gp_image_write_png(&im, path, err);
    gp_image_free(&im);
    return st;
}

static gopro_status make_level(const char *folder, const char *level, size_t classes, size_t n, gopro_error *err)
{
    for (size_t k = 0; k < classes; k++) {
        char dir[512], path[600];
        snprintf(dir, sizeof dir, "%s/%s/%s %s", folder, level, colour[k % 4], shape[k / 4 % 3]);
        GP_TRY(gp_mkdirs(dir, err));
        for (size_t i = 0; i < n; i++) {
            snprintf(path, sizeof path, "%s/%03zu.png", dir, i);
            GP_TRY(draw(path, k, i + (strcmp(level, "test") == 0 ? 1000 : 0), err));
        }
    }
    return GOPRO_OK;
}

/* The inputs of scripts/golden/checkpoints.py. */
static gopro_status features(const char *path, const char *cpu, gopro_error *err)
{
    gp_clip_weights *w = NULL;
    gp_compute *c = NULL;
    gp_model *m = NULL;
    gopro_status st = gp_compute_create(&c, 1, cpu, err);
    if (st == GOPRO_OK) st = gp_clip_load(&w, path, err);
    if (st == GOPRO_OK) st = gp_model_create(&m, c, w, GP_F32, false, err);
    if (st == GOPRO_OK) {
        const gp_clip_arch *a = &w->arch;
        size_t n = 2 * 3 * a->image * a->image, E = a->embed;
        uint32_t ids[] = {(uint32_t)a->vocab - 2, 5, 300, 17, (uint32_t)a->vocab - 1};
        float *px = malloc(n * sizeof *px), *f = malloc(3 * E * sizeof *f);
        for (size_t i = 0; i < n; i++) px[i] = (float)((double)(i * 7919 % 1009) / 504.5 - 1);
        gp_prompt p = {.ids = ids, .n = 5, .name_len = 1};
        st = gp_vision_fwd(m, f, NULL, NULL, px, 2, err);
        gp_text_plan *plan = NULL;
        if (st == GOPRO_OK) st = gp_text_plan_create(&plan, m, &p, 1, 0, GP_POS_END, err);
        if (st == GOPRO_OK) st = gp_text_fwd(m, plan, f + 2 * E, NULL, 1, &(gp_pair){0, 0}, 1, NULL, NULL, err);
        gp_text_plan_free(&plan);
        for (size_t i = 0; st == GOPRO_OK && i < 3 * E; i++) printf(" %.9g", (double)f[i]);
        printf("\n");
        free(px);
        free(f);
    }
    gp_model_free(&m);
    gp_clip_free(&w);
    gp_compute_free(&c);
    return st;
}

static gopro_status load_only(const char *path, gopro_error *err)
{
    gp_clip_weights *w;
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    GP_TRY(gp_clip_load(&w, path, err));
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%.3f s\n", (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec));
    gp_clip_free(&w);
    return GOPRO_OK;
}

/* Within 1e-4 of the largest number. */
static gopro_status compare(const char *file, const char *name, gopro_error *err)
{
    char *text = NULL, *line;
    size_t n;
    GP_TRY(gp_read_file(&text, &n, file, 1 << 20, err));
    char *key = gp_sprintf("%s ", name);
    for (line = text; line && strncmp(line, key, strlen(key)) != 0;) line = (line = strchr(line, '\n')) ? line + 1 : NULL;
    gopro_status st = line ? GOPRO_OK : gp_fail(err, GOPRO_E_INVALID, "no '%s' in %s", name, file);
    double got, most = 0, off = 0;
    size_t count = 0;
    char *at = line ? line + strlen(key) : NULL, *end;
    for (; at && *at != '\n' && scanf("%lf", &got) == 1; count++, at = end) {
        double want = strtod(at, &end);
        most = fmax(most, fabs(want));
        off = fmax(off, fabs(want - got));
    }
    if (st == GOPRO_OK && (count < 8 || *at != '\n' || !(off <= 1e-4 * most)))
        st = gp_fail(err, GOPRO_E_INVALID, "%s: %zu features, off by %g of %g", name, count, off, most);
    free(key);
    free(text);
    return st;
}

int main(int argc, char **argv)
{
    gopro_error err = {0};
    gopro_status st = GOPRO_E_INVALID;
    gp_fail(
        &err, st,
        "usage: make_fixture model|nan FOLDER [seed] | features MODEL [auto] | load MODEL | compare FILE NAME | data FOLDER CLASSES TRAIN "
        "TEST");
    if (argc >= 3 && strcmp(argv[1], "model") == 0)
        st = fixture_model(argv[2], argc > 3 ? strtoull(argv[3], NULL, 10) : 1, false, &err);
    else if (argc == 3 && strcmp(argv[1], "nan") == 0)
        st = fixture_model(argv[2], 1, true, &err);
    else if (argc == 3 && strcmp(argv[1], "features") == 0)
        st = features(argv[2], "ref", &err);
    else if (argc == 4 && strcmp(argv[1], "features") == 0 && strcmp(argv[3], "auto") == 0)
        st = features(argv[2], NULL, &err);
    else if (argc == 3 && strcmp(argv[1], "load") == 0)
        st = load_only(argv[2], &err);
    else if (argc == 4 && strcmp(argv[1], "compare") == 0)
        st = compare(argv[2], argv[3], &err);
    else if (argc == 6 && strcmp(argv[1], "data") == 0) {
        size_t classes = gp_min_size(strtoul(argv[3], NULL, 10), MAX_CLASSES);
        st = make_level(argv[2], "train", classes, strtoul(argv[4], NULL, 10), &err);
        if (st == GOPRO_OK) st = make_level(argv[2], "test", classes, strtoul(argv[5], NULL, 10), &err);
    }
    return st == GOPRO_OK ? 0 : failed(&err);
}
