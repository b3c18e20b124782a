/* clip.h - a CLIP checkpoint as named read-only arrays (METHODS 1.1-1.4, 1.7): geometry from the files, nothing assumed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_WEIGHTS_CLIP_H
#define GP_WEIGHTS_CLIP_H

#include "base/log.h"
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
    size_t resize;  /* pixels of the short side before the square is cut out; 0: image */
    bool bilinear;  /* the filter of that resize; else bicubic */
    bool no_ln_pre; /* the image tower has no norm before its blocks (SLIP) */
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

/* Where a loaded checkpoint came from and why it is read the way it is, in words. */
typedef struct gp_clip_found {
    char format[96], activation[200], heads[120], conversions[240];
    char warning[400]; /* empty, or what was assumed without evidence */
    char sources[512]; /* file names without folders, separated by commas */
    char sources_sha[512];
    char source_hash[65]; /* canonical: `hash` of what it was made from, as it was read then; empty: not known, or other numbers */
    char recorded[65];    /* the content hash that gp_clip_export recorded, whatever the user chose since; empty: not made by it */
    bool canonical;       /* made by gp_clip_export: the hash is the one it recorded */
} gp_clip_found;

typedef struct gp_clip_weights {
    gp_clip_arch arch;
    gp_clip_arch own_arch; /* of a loaded checkpoint: before the user's choice */
    gp_clip_found found;
    /* image tower */
    gp_real *v_patch;                 /* [v.width, 3 patch patch] */
    gp_real *v_patch_b;               /* [v.width] or NULL */
    gp_real *v_cls;                   /* [v.width] */
    gp_real *v_pos;                   /* [N+1, v.width] */
    gp_real *v_ln_pre_g, *v_ln_pre_b; /* NULL with no_ln_pre */
    gp_real *v_ln_post_g, *v_ln_post_b;
    gp_block_w *v_block; /* [v.layers] */
    gp_real *v_proj;     /* [embed, v.width] */
    /* text tower */
    gp_real *t_tok; /* [vocab, t.width] */
    gp_real *t_pos; /* [context, t.width] */
    gp_block_w *t_block;
    gp_real *t_ln_final_g, *t_ln_final_b;
    gp_real *t_proj;      /* [embed, t.width] */
    gp_real *logit_scale; /* one number, a logarithm */
    char hash[65];        /* SHA-256 of the weights files, hex; of an exported checkpoint, of its contents */
    char path[256];       /* for messages */
    void *own;            /* storage: mapping and converted arrays */
} gp_clip_weights;

/* What a user knows better than the checkpoint. */
typedef struct gp_clip_choice {
    const char *activation;  /* NULL or "checkpoint"; "quickgelu", "gelu": of both towers */
    size_t v_heads, t_heads; /* 0: as the checkpoint says */
} gp_clip_choice;

/* `path`: a folder or a file in any of the formats of docs/CHECKPOINTS.md.  Names, heads, activation and eps by METHODS 1.7; the
 * configuration files of a folder are read and must agree with the tensors.  F32 tensors are used in the mapping when aligned; F16, BF16,
 * F64 are converted.  WEIGHTS errors name file and tensor: missing, wrong shape (found, expected), wrong type, geometry that contradicts
 * itself. */
gopro_status gp_clip_load_as(gp_clip_weights **w, const char *path, const gp_clip_choice *choice, gopro_error *err);
gopro_status gp_clip_load(gp_clip_weights **w, const char *path, gopro_error *err); /* as the checkpoint says */
void gp_clip_free(gp_clip_weights **w);
/* What was read of the files (and packed) leaves memory until it is read again. */
void gp_clip_drop_pages(const gp_clip_weights *w);
/* WEIGHTS error if a file that they were read from, and are still used from, was written to since.  A file cut off while its numbers are
 * used is a SIGBUS in between, as with every mapping. */
gopro_status gp_clip_check(const gp_clip_weights *w, gopro_error *err);

/* Reads the files: WEIGHTS error if numbers that came with a checksum, as in PyTorch's archives, do not have it. */
gopro_status gp_clip_intact(const gp_clip_weights *w, gopro_error *err);

/* Fresh arrays for an architecture, initialised as METHODS 5.4 (pretraining) from the seed. */
gopro_status gp_clip_init(gp_clip_weights **w, const gp_clip_arch *arch, uint64_t seed, gopro_error *err);
/* The same for benchmarks, which need no other numbers and start sooner: of every tensor the first `period` numbers are drawn, then
 * repeated. */
gopro_status gp_clip_init_repeating(gp_clip_weights **w, const gp_clip_arch *arch, uint64_t seed, size_t period, gopro_error *err);

/* Walks every tensor under its Hugging Face name.  For qkv the three parts are visited as q_proj, k_proj, v_proj slices. */
typedef gopro_status gp_clip_visit_fn(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err);
gopro_status gp_clip_visit(gp_clip_weights *w, gp_clip_visit_fn *fn, void *user, gopro_error *err);

/* model.safetensors (dtype F32, F16 or BF16; metadata as given, key/value pairs, NULL-terminated) and config.json and
 * preprocessor_config.json in `folder`, each atomically. */
gopro_status gp_clip_save(gp_clip_weights *w, const char *folder, int dtype, const char *const *meta, gopro_error *err);

/* The same as the one canonical form of a checkpoint: q, k and v side by side so that they are used in the mapping, and metadata that say
 * where the numbers came from.  `content` receives a SHA-256 over names, shapes and numbers as F32, equal whatever format they came in;
 * loading takes it over instead of reading everything, after checking samples of every tensor.  log: asked whether to stop; may be NULL. */
gopro_status gp_clip_export(gp_clip_weights *w, const char *folder, int dtype, char content[65], const gp_log *log, gopro_error *err);
size_t gp_clip_count(gp_clip_weights *w); /* parameters */
/* How the towers are read and images prepared, in a line: what the same numbers need to be the same model. */
#define GP_CLIP_READING 400
void gp_clip_reading(char out[GP_CLIP_READING], const gp_clip_arch *a);
/* Is this the model that `hash` names, as it is or as the checkpoint it was imported from?  May read everything. */
gopro_status gp_clip_is(bool *is, gp_clip_weights *w, const char *hash, gopro_error *err);
/* Reads everything: does the recorded hash still hold?  WEIGHTS error if not. */
gopro_status gp_clip_verify(gp_clip_weights *w, gopro_error *err);

#endif
