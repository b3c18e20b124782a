/* json_file.c - see json_file.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/json_file.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"

#define MAX_BYTES ((size_t)64 << 20)

gopro_status gp_json_read(json_t **j, const char *path, gopro_error *err)
{
    char *text = NULL;
    size_t size = 0;
    json_error_t je;
    *j = NULL;
    GP_TRY(gp_read_file(&text, &size, path, MAX_BYTES, err));
    *j = gp_json_load(text, size, GP_JSON_MOST, &je);
    free(text);
    if (!*j) return gp_fail(err, GOPRO_E_FORMAT, "%s:%d: %s", path, je.line, je.text);
    if (json_is_object(*j)) return GOPRO_OK;
    json_decref(*j);
    *j = NULL;
    return gp_fail(err, GOPRO_E_FORMAT, "%s: not a JSON object", path);
}
