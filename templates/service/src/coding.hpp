// What a body is packed with on its way (RFC 9110, 8.4): gzip, and deflate, which is zlib's format.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace edgepack::program {

enum class Coding { none, gzip, deflate };

/// Of a Content-Encoding. Nothing: one that is not offered, or several.
std::optional<Coding> coding_named(const std::string& name);
const char* name_of(Coding coding);

/// The one to answer with, of what an Accept-Encoding takes.
Coding coding_accepted(const std::string& accepts);

/// The body as it was. most: bytes; grow: asked before each piece of memory, false: there is none. Throws Refusal:
/// what was packed may be a thousand times as much, so that it is refused while it grows and not after.
std::string unpacked(std::string_view packed, Coding coding, std::size_t most, const std::function<bool(std::size_t)>& grow);

/// Small bodies are left as they are: nothing, then.
std::optional<std::string> packed(std::string_view body, Coding coding);

}  // namespace edgepack::program
