/* gopro.h - the whole public interface of libgopro.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GOPRO_GOPRO_H
#define GOPRO_GOPRO_H

#include "gopro/base.h"
#include "gopro/config.h"
#include "gopro/context.h"
#include "gopro/model.h"
#include "gopro/run.h"

#endif
