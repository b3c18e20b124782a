/* torch_types.h - the types that a pickle of PyTorch may name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TORCH_TYPES_H
#define GP_TORCH_TYPES_H

#include "base/pickle.h"

extern const gp_pk_types gp_torch_types;
extern const gp_pk_types gp_torch_script_types; /* and classes of TorchScript, which are called __torch__.... */

int gp_pk_storage_dtype(const gp_pickle *p, uint32_t node); /* gp_dtype of a storage type, or -1 */

#endif
