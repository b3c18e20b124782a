/* pickle_types.h - the types a pickle may name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PICKLE_TYPES_H
#define GP_PICKLE_TYPES_H

#include <stdint.h>

#include "base/compiler.h"

typedef enum gp_pk_use {
    GP_USE_TENSOR,
    GP_USE_FIRST, /* a call gives its first argument */
    GP_USE_ORDERED,
    GP_USE_STORAGE,
    GP_USE_OBJECT /* carried along unread */
} gp_pk_use;

int gp_pk_type_find(const char *module, size_t n_module, const char *name, size_t n_name, bool script); /* row, or -1: refused */
gp_pk_use gp_pk_type_use(int64_t row);
int gp_pk_type_dtype(int64_t row); /* of a storage, else -1 */

#endif
