/* convert.c - tensor elements to float, double and int32.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "weights/safetensors.h"

#define LOAD(type, p, i) \
    type v; \
    memcpy(&v, (p) + (i) * sizeof v, sizeof v)

/* gp_f16_to_f32 without branches, so that a loop of it is vectorised: exponent and fraction move into place and are scaled, which is exact
 * for subnormals too; infinity and NaN get their exponent back. */
static float widen(uint16_t h)
{
    uint32_t magnitude = (uint32_t)(h & 0x7fffu) << 13, bits;
    float f;
    memcpy(&f, &magnitude, sizeof f);
    f *= 0x1p112f;
    memcpy(&bits, &f, sizeof bits);
    bits |= (magnitude >= 0x0f800000u ? 0x7f800000u : 0u) | (uint32_t)(h & 0x8000u) << 16;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static gopro_status not_floating(const gp_tensor *t, gopro_error *err)
{
    return gp_fail(err, GOPRO_E_FORMAT, "tensor '%.200s' is %s, expected F32, F16, BF16 or F64", t->name, gp_dtype_name(t->dtype));
}

gopro_status gp_tensor_to_f32(float *out, const gp_tensor *t, gopro_error *err)
{
    switch (t->dtype) {
    case GP_DT_F32:
        if (t->count) memcpy(out, t->data, t->count * sizeof *out);
        return GOPRO_OK;
    case GP_DT_F64:
        for (size_t i = 0; i < t->count; i++) {
            LOAD(double, t->data, i);
            out[i] = (float)v;
        }
        return GOPRO_OK;
    case GP_DT_F16:
        for (size_t i = 0; i < t->count; i++) {
            LOAD(uint16_t, t->data, i);
            out[i] = widen(v);
        }
        return GOPRO_OK;
    case GP_DT_BF16:
        for (size_t i = 0; i < t->count; i++) {
            LOAD(uint16_t, t->data, i);
            out[i] = gp_bf16_to_f32(v);
        }
        return GOPRO_OK;
    case GP_DT_I64:
    case GP_DT_I32:
    case GP_DT_I16:
    case GP_DT_I8:
    case GP_DT_U8:
    case GP_DT_BOOL:
        break;
    }
    return not_floating(t, err);
}

gopro_status gp_tensor_to_f64(double *out, const gp_tensor *t, gopro_error *err)
{
    switch (t->dtype) {
    case GP_DT_F64:
        if (t->count) memcpy(out, t->data, t->count * sizeof *out);
        return GOPRO_OK;
    case GP_DT_F32:
        for (size_t i = 0; i < t->count; i++) {
            LOAD(float, t->data, i);
            out[i] = (double)v;
        }
        return GOPRO_OK;
    case GP_DT_F16:
        for (size_t i = 0; i < t->count; i++) {
            LOAD(uint16_t, t->data, i);
            out[i] = (double)gp_f16_to_f32(v);
        }
        return GOPRO_OK;
    case GP_DT_BF16:
        for (size_t i = 0; i < t->count; i++) {
            LOAD(uint16_t, t->data, i);
            out[i] = (double)gp_bf16_to_f32(v);
        }
        return GOPRO_OK;
    case GP_DT_I64:
    case GP_DT_I32:
    case GP_DT_I16:
    case GP_DT_I8:
    case GP_DT_U8:
    case GP_DT_BOOL:
        break;
    }
    return not_floating(t, err);
}

static int64_t load_integer(const gp_tensor *t, size_t i)
{
    switch (gp_dtype_size(t->dtype)) {
    case 8: {
        LOAD(int64_t, t->data, i);
        return v;
    }
    case 4: {
        LOAD(int32_t, t->data, i);
        return v;
    }
    case 2: {
        LOAD(int16_t, t->data, i);
        return v;
    }
    default:
        break;
    }
    return t->dtype == GP_DT_I8 ? (int64_t)(int8_t)t->data[i] : (int64_t)t->data[i];
}

gopro_status gp_tensor_to_i32(int32_t *out, const gp_tensor *t, gopro_error *err)
{
    if (t->dtype < GP_DT_I64)
        return gp_fail(err, GOPRO_E_FORMAT, "tensor '%.200s' is %s, expected whole numbers", t->name, gp_dtype_name(t->dtype));
    for (size_t i = 0; i < t->count; i++) {
        int64_t v = load_integer(t, i);
        if (v < INT32_MIN || v > INT32_MAX)
            return gp_fail(err, GOPRO_E_FORMAT, "tensor '%.200s': element %zu is %lld, which does not fit in 32 bits", t->name, i,
                           (long long)v);
        out[i] = (int32_t)v;
    }
    return GOPRO_OK;
}
