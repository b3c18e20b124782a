/* clip.c - fuzzes reading a whole CLIP: the first byte says which configuration file lies beside the weights and what the user chose, two
 * more (little-endian) how long it is; it follows, then the weights in any container and under any names.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "weights/clip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NO_CONFIG, CONFIG, OPEN_CLIP, PREPROCESSOR, CONFIGS, TWO_HEADS = 4, GELU = 8 };

/* Every number can be read and is finite, every shape is one of the architecture. */
static gopro_status touch(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    size_t n = 1;
    (void)user;
    (void)err;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    if (!name[0] || n == 0) abort();
    for (size_t i = 0; i < n; i++)
        if (!isfinite(data[i])) abort();
    return GOPRO_OK;
}

static void check(gp_clip_weights *w)
{
    const gp_clip_arch *a = &w->arch;
    if (a->v.heads == 0 || a->v.width % a->v.heads || a->t.heads == 0 || a->t.width % a->t.heads || a->sot >= a->vocab ||
        a->eot >= a->vocab || a->patch == 0 || a->image < a->patch || strlen(w->hash) != 64)
        abort();
    if (gp_clip_visit(w, touch, NULL, NULL) != GOPRO_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const config[CONFIGS] = {NULL, "config.json", "open_clip_config.json", "preprocessor_config.json"};
    if (size < 3) return 0;
    if (!files[0]) files_make();
    char path[256];
    const unsigned how = data[0];
    const size_t claimed = (size_t)data[1] | (size_t)data[2] << 8, n = claimed < size - 3 ? claimed : size - 3;
    const char *name = config[how % CONFIGS];
    if (name) files_put(name, data + 3, n);
    files_put("model.safetensors", data + 3 + n, size - 3 - n);
    gp_clip_choice choice = {.activation = how & GELU ? "gelu" : NULL};
    if (how & TWO_HEADS) choice.v_heads = choice.t_heads = 2;
    gp_clip_weights *w = NULL;
    gopro_error err = {0};
    if (gp_clip_load_as(&w, files, &choice, &err) == GOPRO_OK)
        check(w);
    else if (w || strlen(err.msg) == 0)
        abort();
    gp_clip_free(&w);
    if (name) unlink(files_at(path, name));
    return 0;
}
