/* tar.h - what listing an archive and reading an image from it share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TAR_H
#define GP_TAR_H

#include "base/compiler.h"

/* true: the checksum is right; *size is what the header says of the member. */
bool gp_tar_header_ok(const uint8_t h[512], uint64_t *size);

#endif
