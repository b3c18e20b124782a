/* image_folder.h - writes small images and text files into a scratch folder, making the folders above them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TEST_IMAGE_FOLDER_H
#define GP_TEST_IMAGE_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "image/image.h"

/* Ends the test program when something fails: tests cannot go on without their files. */
static inline void folder_must(gopro_status st, const gopro_error *err)
{
    if (st == GOPRO_OK) return;
    fprintf(stderr, "%s\n", err->msg);
    abort();
}

static inline char *folder_path(char out[512], const char *root, const char *rel)
{
    gopro_error err = {0};
    snprintf(out, 512, "%s/%s", root, rel);
    char *slash = strrchr(out, '/');
    *slash = '\0';
    folder_must(gp_mkdirs(out, &err), &err);
    *slash = '/';
    return out;
}

/* Noise from `seed`, so that two images differ. */
static inline void folder_image(const char *root, const char *rel, uint32_t w, uint32_t h, uint64_t seed)
{
    char path[512];
    gopro_error err = {0};
    gp_image im;
    gp_rng r = gp_rng_make(seed, GP_RNG_TEST, w, h);
    folder_must(gp_image_alloc(&im, w, h, 3, &err), &err);
    for (size_t i = 0; i < (size_t)3 * w * h; i++) im.px[i] = (uint8_t)gp_rng_below(&r, 256);
    folder_must(gp_image_write_png(&im, folder_path(path, root, rel), &err), &err);
    gp_image_free(&im);
}

static inline void folder_text(const char *root, const char *rel, const char *text)
{
    char path[512];
    gopro_error err = {0};
    folder_must(gp_write_file(folder_path(path, root, rel), text, strlen(text), &err), &err);
}

#endif
