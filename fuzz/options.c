/* options.c - fuzz target: a configuration is refused with a message, or what is written of it reads back the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_options *o = gp_options_create(), *p = gp_options_create();
    gp_str a = {0}, b = {0};
    gopro_error err = {0};
    if (o && p) {
        const gopro_status st = gp_options_load_yaml_text(o, (const char *)data, size, "input", &err);
        if (st != GOPRO_OK && strncmp(err.msg, "input:", 6) != 0) abort(); /* every message names the line */
        if (gp_options_to_yaml(o, &a) != GOPRO_OK) abort();
        if (gp_options_load_yaml_text(p, a.s, a.len, "written", &err) != GOPRO_OK) abort();
        if (gp_options_to_yaml(p, &b) != GOPRO_OK || strcmp(a.s, b.s) != 0) abort();
    }
    gp_str_free(&a);
    gp_str_free(&b);
    gp_options_free(&o);
    gp_options_free(&p);
    return 0;
}
