/* bytes.h - the bytes of a listed image, wherever they are: a file of its own or a tar's member.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_BYTES_H
#define GP_BYTES_H

#include <time.h>

#include "data/dataset.h"
#include "image/image.h"

/* malloc'ed, at most 1 GiB.  DATA error names the image. */
gopro_status gp_item_bytes(char **data, size_t *size, const char *root, const gp_item *it, gopro_error *err);
gopro_status gp_item_read(gp_image *im, const char *root, const gp_item *it, gopro_error *err);                       /* decoded */
gopro_status gp_item_read_least(gp_image *im, const char *root, const gp_item *it, uint32_t least, gopro_error *err); /* image.h */

/* Bytes and time of change without reading; the time is the tar's for a member.  false: it is not there. */
typedef struct gp_item_stamp {
    uint64_t size;
    struct timespec changed;
} gp_item_stamp;
bool gp_item_stat(gp_item_stamp *s, const char *root, const gp_item *it);

#endif
