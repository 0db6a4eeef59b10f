// libfuse's low-level API, in the version this program is written for. 3.14 (Debian 12) and later.
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
