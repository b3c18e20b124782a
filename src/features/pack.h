/* pack.h - image features on disk: a folder of pack files, each holding the features of some images under the hashes of their bytes.
 *
 * A pack is a safetensors file `<space>-<content>.safetensors`: id I32 [n, 8] (SHA-256 of each image file), feat F32 [n, embed], with
 * statistics mu, sigma F32 [n, layers, width], and check I32 [n, 2], a checksum of each row.  The space names everything else the numbers
 * depend on.  A pack is never changed: it appears whole under its name and goes when the folder is above its limit, so that any number of
 * processes may read and write without a lock.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_FEATURES_PACK_H
#define GP_FEATURES_PACK_H

#include "data/loader.h"

typedef struct gp_pack_space {
    char key[65]; /* hash of weights, precision, kernels and preprocessing */
    size_t embed, layers, width;
} gp_pack_space;

typedef struct gp_pack_row {
    const float *feat, *mu, *sigma; /* in a mapping; mu and sigma NULL without statistics */
} gp_pack_row;

typedef struct gp_packs gp_packs;

/* Maps the packs of a space in a folder that may not exist; what is no sound pack is passed over. NOMEM only. */
gopro_status gp_packs_open(gp_packs **p, const char *folder, const gp_pack_space *s, gopro_error *err);
void gp_packs_free(gp_packs **p); /* rows are gone then */

/* true: the row of an image, its checksum verified. Notes the pack as used. */
bool gp_packs_find(gp_packs *p, gp_pack_row *row, const gp_image_id *id, bool stats);

/* Writes a pack (mu, sigma NULL: without statistics) and gives its rows [n], which are then on disk instead of in memory. */
gopro_status gp_packs_add(gp_packs *p, gp_pack_row *row, const gp_image_id *id, size_t n, const float *feat, const float *mu,
                          const float *sigma, gopro_error *err);
size_t gp_pack_row_bytes(const gp_pack_space *s, bool stats);

/* Sets the time of use of the packs found, then removes those unused longest until the folder's packs hold at most max_bytes, and
 * what interrupted writers left behind an hour ago. Rows found stay valid. */
void gp_packs_trim(gp_packs *p, size_t max_bytes);

#endif
