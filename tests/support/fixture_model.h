/* fixture_model.h - a tiny CLIP with a vocabulary of its own, written as a folder: the model of the command line's tests and of fuzzing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_FIXTURE_MODEL_H
#define GP_FIXTURE_MODEL_H

#include <math.h>

#include "base/file.h"
#include "text/tokenizer.h"
#include "weights/clip.h"
#include "weights/safetensors.h"

static inline gopro_status fixture_vocab(const char *folder, size_t *vocab, gopro_error *err)
{
    static const char *const text[] = {"a photo of a blue circle.",   "a photo of a green cross.", "a photo of a red square.",
                                       "a photo of a yellow circle.", "x x x x red circle",        "itap of a green square."};
    gp_tokenizer *t = NULL;
    GP_TRY(gp_mkdirs(folder, err));
    GP_TRY(gp_bpe_learn(text, sizeof text / sizeof text[0], 514 + 40, folder, err));
    GP_TRY(gp_tokenizer_load(&t, folder, 0, err));
    *vocab = gp_tokenizer_vocab(t);
    gp_tokenizer_free(&t);
    return GOPRO_OK;
}

static inline gopro_status fixture_model(const char *folder, uint64_t seed, bool nan_weight, gopro_error *err)
{
    gp_clip_arch a = {.image = 32, .patch = 8, .context = 24, .embed = 32};
    gp_clip_weights *w = NULL;
    GP_TRY(fixture_vocab(folder, &a.vocab, err));
    a.v = (gp_tower_arch){.width = 32, .layers = 2, .heads = 2, .hidden = 128, .act = GP_ACT_QUICKGELU, .eps = 1e-5};
    a.t = a.v;
    a.sot = (uint32_t)a.vocab - 2;
    a.eot = (uint32_t)a.vocab - 1;
    for (size_t c = 0; c < 3; c++) a.mean[c] = a.std[c] = 0.5F;
    GP_TRY(gp_clip_init(&w, &a, seed, err));
    for (size_t i = 0; i < a.vocab * a.t.width; i++) w->t_tok[i] *= 20; /* names that differ give features that differ */
    if (nan_weight) w->v_proj[3] = (gp_real)NAN;
    gopro_status st = gp_clip_save(w, folder, GP_DT_F32, NULL, err);
    gp_clip_free(&w);
    return st;
}

#endif
