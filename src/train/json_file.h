/* json_file.h - reading the JSON files of run folders and protocols.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_JSON_FILE_H
#define GP_JSON_FILE_H

#include <jansson.h>

#include "base/error.h"

/* The object that a regular file holds, to be json_decref'ed; NULL on failure.  IO: it cannot be read.  FORMAT: larger than 64 MiB, or no
 * JSON object, with the line. */
gopro_status gp_json_read(json_t **j, const char *path, gopro_error *err);

#endif
