/* clip_config.c - fuzz target: the first byte chooses config.json, open_clip_config.json or preprocessor_config.json, the rest is the file.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "weights/clip_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_clip_arch a = {.v = {.width = 64, .layers = 2, .heads = 1, .hidden = 64, .act = GP_ACT_QUICKGELU, .eps = 1e-5},
                      .t = {.width = 64, .layers = 1, .heads = 1, .hidden = 64, .act = GP_ACT_QUICKGELU, .eps = 1e-5},
                      .image = 8,
                      .patch = 4,
                      .context = 20,
                      .vocab = 980,
                      .embed = 16,
                      .sot = 978,
                      .eot = 979,
                      .mean = {0.5f, 0.5f, 0.5f},
                      .std = {0.25f, 0.25f, 0.25f}};
    gopro_error err = {0};
    if (size == 0) return 0;
    gopro_status st = gp_clip_config_parse(&a, (gp_config_kind)(data[0] % 3), (const char *)data + 1, size - 1, "input", &err);
    if (st != GOPRO_OK && strlen(err.msg) == 0) abort();
    /* Sizes are the tensors'; no file changes them. */
    if (a.v.width != 64 || a.t.layers != 1 || a.image != 8 || a.vocab != 980 || a.embed != 16) abort();
    if (st == GOPRO_OK && (a.v.heads == 0 || a.v.width % a.v.heads || a.eot >= a.vocab || !(a.v.eps > 0))) abort();
    if (st == GOPRO_OK && a.resize && a.resize < a.image) abort();
    return 0;
}
