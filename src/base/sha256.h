/* sha256.h - SHA-256, for the hashes that name weights, draws and class lists.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_SHA256_H
#define GP_SHA256_H

#include "base/compiler.h"

typedef struct gp_sha256 {
    uint32_t h[8];
    uint64_t n;
    uint8_t buf[64];
} gp_sha256;

void gp_sha256_init(gp_sha256 *c);
void gp_sha256_add(gp_sha256 *c, const void *data, size_t n);
void gp_sha256_end(gp_sha256 *c, uint8_t out[32]); /* ends the computation */
void gp_sha256_hex(gp_sha256 *c, char out[65]);    /* the same, as text */

#endif
