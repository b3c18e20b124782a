/* json.c - see json.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The line on which there are more than `most` values, counted as commas and opening brackets outside of texts; 0: there are not. */
static int line_of_excess(const char *text, size_t size, size_t most)
{
    size_t n = 0;
    int line = 1;
    bool quoted = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        line += c == '\n';
        if (c == '"')
            quoted = !quoted;
        else if (quoted && c == '\\')
            i++;
        else if (!quoted && (c == ',' || c == '[' || c == '{') && ++n > most)
            return line;
    }
    return 0;
}

json_t *gp_json_load(const char *text, size_t size, size_t most, json_error_t *e)
{
    const int line = line_of_excess(text, size, most);
    if (line == 0) {
        json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES, e);
        /* The parser speaks of a flag of its own here. */
        if (!j && e && strstr(e->text, "JSON_ALLOW_NUL")) snprintf(e->text, sizeof e->text - 1, "holds \\u0000, which no text may contain");
        return j;
    }
    if (!e) return NULL;
    *e = (json_error_t){.line = line};
    snprintf(e->text, sizeof e->text - 1, "holds more than %zu values, the most that is read of such a file", most);
    return NULL;
}
