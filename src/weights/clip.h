/* clip.h - a CLIP checkpoint as named read-only arrays (METHODS 1.1-1.4, 1.7): geometry from the files, nothing assumed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_WEIGHTS_CLIP_H
#define GP_WEIGHTS_CLIP_H

#include "base/error.h"
#include "base/real.h"
#include "kernels/kernels.h"

typedef struct gp_tower_arch {
    size_t width, layers, heads, hidden;
    gp_act act;
    double eps;
} gp_tower_arch;

typedef struct gp_clip_arch {
    gp_tower_arch v, t;
    size_t image, patch; /* pixels of the square input; of a patch */
    size_t context, vocab, embed;
    uint32_t sot, eot; /* eot is the largest id of the vocabulary unless config.json says otherwise */
    float mean[3], std[3];
} gp_clip_arch;

size_t gp_arch_patches(const gp_clip_arch *a); /* N = (image / patch)^2 */

typedef struct gp_linear_w {
    gp_real *w, *b; /* [out, in], [out] (b NULL if absent) */
    size_t out, in;
} gp_linear_w;

/* Not const in the struct because pretraining owns and updates them; a loaded checkpoint is never written through these. */
typedef struct gp_block_w {
    gp_real *ln1_g, *ln1_b, *ln2_g, *ln2_b; /* [width] */
    gp_linear_w qkv, out, fc1, fc2;         /* qkv [3 width, width]: rows of q, then k, then v */
} gp_block_w;

typedef struct gp_clip_weights {
    gp_clip_arch arch;
    /* image tower */
    gp_real *v_patch;   /* [v.width, 3 patch patch] */
    gp_real *v_patch_b; /* [v.width] or NULL */
    gp_real *v_cls;     /* [v.width] */
    gp_real *v_pos;     /* [N+1, v.width] */
    gp_real *v_ln_pre_g, *v_ln_pre_b, *v_ln_post_g, *v_ln_post_b;
    gp_block_w *v_block; /* [v.layers] */
    gp_real *v_proj;     /* [embed, v.width] */
    /* text tower */
    gp_real *t_tok; /* [vocab, t.width] */
    gp_real *t_pos; /* [context, t.width] */
    gp_block_w *t_block;
    gp_real *t_ln_final_g, *t_ln_final_b;
    gp_real *t_proj;      /* [embed, t.width] */
    gp_real *logit_scale; /* one number, a logarithm */
    char hash[65];        /* SHA-256 of the weights file, hex */
    char path[256];       /* for messages */
    void *own;            /* storage: mapping and converted arrays */
} gp_clip_weights;

/* `path` is a folder (model.safetensors, config.json if present, preprocessor_config.json if present) or a .safetensors file in Hugging
 * Face CLIPModel names.  Head counts: config.json, else metadata v_heads / t_heads, else width / 64.  Activation and eps: config.json, else
 * QuickGELU and 1e-5.  F32 tensors are used in the mapping when aligned; F16, BF16, F64 are converted.  WEIGHTS errors name file and
 * tensor: missing, wrong shape (found, expected), wrong type, geometry that contradicts itself. */
gopro_status gp_clip_load(gp_clip_weights **w, const char *path, gopro_error *err);
void gp_clip_free(gp_clip_weights **w);

/* Fresh arrays for an architecture, initialised as METHODS 5.4 (pretraining) from the seed. */
gopro_status gp_clip_init(gp_clip_weights **w, const gp_clip_arch *arch, uint64_t seed, gopro_error *err);

/* Walks every tensor under its Hugging Face name.  For qkv the three parts are visited as q_proj, k_proj, v_proj slices. */
typedef gopro_status gp_clip_visit_fn(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err);
gopro_status gp_clip_visit(gp_clip_weights *w, gp_clip_visit_fn *fn, void *user, gopro_error *err);

/* model.safetensors (dtype F32, F16 or BF16; metadata as given, key/value pairs, NULL-terminated) and config.json and
 * preprocessor_config.json in `folder`, each atomically. */
gopro_status gp_clip_save(gp_clip_weights *w, const char *folder, int dtype, const char *const *meta, gopro_error *err);

#endif
