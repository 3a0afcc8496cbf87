#pragma once
// The one door to Catch2: Debian 12 has version 2 (one header); version 3 is accepted too.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
