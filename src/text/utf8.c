/* utf8.c - strict UTF-8 to code points and back.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <utf8proc.h>

#include "text/text_internal.h"

gopro_status gp_utf8_decode(gp_codepoints *out, const char *s, size_t len, gopro_error *err)
{
    *out = (gp_codepoints){.v = NULL};
    size_t bytes;
    if (len > PTRDIFF_MAX || !gp_mul_size(&bytes, len + 1, sizeof *out->v)) return gp_fail_nomem(err, len, "text");
    if (!(out->v = malloc(bytes))) return gp_fail_nomem(err, bytes, "text");
    for (size_t i = 0; i < len;) {
        utf8proc_int32_t c;
        const utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(len - i), &c);
        if (used <= 0) {
            free(out->v);
            *out = (gp_codepoints){.v = NULL};
            return gp_fail(err, GOPRO_E_DATA, "text is not UTF-8 at byte %zu, save it as UTF-8", i);
        }
        out->v[out->n++] = (uint32_t)c;
        i += (size_t)used;
    }
    return GOPRO_OK;
}

size_t gp_utf8_encode(uint8_t out[4], uint32_t c)
{
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)c, out);
}
