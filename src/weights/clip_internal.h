/* clip_internal.h - the table of CLIP tensors, shared by loading, initialising, visiting and saving.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_WEIGHTS_CLIP_INTERNAL_H
#define GP_WEIGHTS_CLIP_INTERNAL_H

#include "weights/clip.h"
#include "weights/tensors.h"

/* What a tensor is for; initialisation follows from it. */
typedef enum gp_clip_role {
    GP_ROLE_GAIN,
    GP_ROLE_BIAS_ZERO,
    GP_ROLE_BIAS_MLP, /* bias of a linear whose fan-in is slot.fan_in */
    GP_ROLE_PATCH,
    GP_ROLE_PATCH_BIAS,
    GP_ROLE_NORMAL_WIDTH, /* N(0, D^-1/2) */
    GP_ROLE_RESIDUAL,     /* N(0, D^-1/2 (2L)^-1/2) */
    GP_ROLE_FC1,          /* N(0, (2D)^-1/2) */
    GP_ROLE_TOKENS,
    GP_ROLE_TEXT_POSITIONS,
    GP_ROLE_SCALE
} gp_clip_role;

/* One tensor of a file: it fills `count` numbers from `offset` on of the array *p, which holds `total`. */
typedef struct gp_clip_slot {
    char name[128];
    gp_real **p;
    size_t shape[4], rank, count, offset, total, fan_in;
    gp_clip_role role;
    const gp_tower_arch *tower;
    bool optional;
} gp_clip_slot;

typedef gopro_status gp_clip_slot_fn(void *user, const gp_clip_slot *s, gopro_error *err);

/* Calls fn for every tensor that w->arch implies; w->v_block and w->t_block must have been allocated. */
gopro_status gp_clip_each(gp_clip_weights *w, gp_clip_slot_fn *fn, void *user, gopro_error *err);

/* Bounds, divisibility and special tokens; `label` begins the message. */
gopro_status gp_clip_arch_check(const gp_clip_arch *a, gopro_status code, const char *label, gopro_error *err);

/* Architecture from the tensors, their layout and metadata, the configuration files (NULL where absent) and the user's choice; own: without
 * the choice.  Fills format, activation, heads and warning of *found.  WEIGHTS errors. */
typedef struct gp_clip_files {
    char *weights;                           /* for messages: the weights file, or their folder */
    char *config, *preprocessor, *open_clip; /* NULL where absent */
} gp_clip_files;
gopro_status gp_clip_arch_read(gp_clip_arch *a, gp_clip_arch *own, gp_clip_found *found, const gp_tensors *t, const gp_clip_files *files,
                               const gp_clip_choice *choice, gopro_error *err);

gopro_status gp_clip_evidence(gp_clip_arch *a, gp_clip_found *found, const gp_tensors *t, const gp_clip_files *files, gopro_error *err);
gopro_status gp_clip_choose(gp_clip_arch *a, gp_clip_found *f, const gp_clip_choice *c, const char *file, gopro_error *err);

typedef enum gp_config_kind {
    GP_CONFIG_HF,
    GP_CONFIG_OPEN_CLIP,
    GP_CONFIG_PREPROCESSOR,
    GP_CONFIG_TYPE /* of HF, its model_type alone */
} gp_config_kind;
gopro_status gp_clip_config_read(gp_clip_arch *a, gp_config_kind kind, const char *path, gopro_error *err);
gopro_status gp_clip_config_parse(gp_clip_arch *a, gp_config_kind kind, const char *text, size_t size, const char *label, gopro_error *err);

/* Hash of samples of every tensor: its first, middle and last numbers as stored. */
void gp_clip_sample_hash(char out[65], const gp_tensors *t);

/* gp_clip_save with the matrices of q, k and v of a block behind each other. */
gopro_status gp_clip_save_side_by_side(gp_clip_weights *w, const char *folder, int dtype, const char *const *meta, gopro_error *err);

/* An empty model for w->arch, and storage that lives as long as it does. */
gopro_status gp_clip_create(gp_clip_weights **w, const gp_clip_arch *arch, gopro_error *err);
gp_real *gp_clip_own(gp_clip_weights *w, size_t count, gopro_error *err); /* 64-byte aligned, not zeroed; NULL with err filled */
void gp_clip_own_file(gp_clip_weights *w, gp_tensors *t);

#endif
