/* json.h - parsing JSON of anybody's making: the parser takes about a hundred bytes for every value, so values are counted before.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_JSON_H
#define GP_JSON_H

#include <jansson.h>

#define GP_JSON_FEW  ((size_t)100000)  /* configurations */
#define GP_JSON_MANY ((size_t)2000000) /* headers, vocabularies */
#define GP_JSON_MOST ((size_t)8000000) /* draws, results and names of a million classes */

/* json_loadb with JSON_REJECT_DUPLICATES for text of at most `most` values; NULL with *e filled (may be NULL itself) otherwise. */
json_t *gp_json_load(const char *text, size_t size, size_t most, json_error_t *e);

#endif
