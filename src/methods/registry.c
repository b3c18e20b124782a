/* registry.c - the methods by name.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "methods/methods.h"

const gp_method *const gp_methods[] = {
    &gp_method_zeroshot, &gp_method_slip,  &gp_method_coop,          &gp_method_cocoop,       &gp_method_maple,
    &gp_method_stylip,   &gp_method_gopro, &gp_method_gopro_release, &gp_method_linear_probe, &gp_method_tip_adapter,
};
const size_t gp_n_methods = GP_COUNT(gp_methods);

const gp_method *gp_method_find(const char *name)
{
    for (size_t i = 0; i < gp_n_methods; i++)
        if (strcmp(gp_methods[i]->name, name) == 0) return gp_methods[i];
    return NULL;
}
