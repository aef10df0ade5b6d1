#pragma once
typedef int cpu_type_t;
typedef int cpu_subtype_t;
