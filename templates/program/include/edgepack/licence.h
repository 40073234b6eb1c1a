// licence.h: what the app's licence opens. For a project's own C++, as edgepack.h is, and stable as that.
//
//   #include <edgepack/licence.h>
//
//   if (edgepack::licensed("counting")) record.set("count", count);
#pragma once

#include <string>

namespace edgepack {

/// Whether the licence that this app runs under names the feature. True for each where edgepack.yaml has no `licence`,
/// and while golden vectors are computed: they prove the whole app. May change from one picture to the next, when a
/// licence is renewed or ends. From any thread.
bool licensed(const std::string& feature);

}  // namespace edgepack
