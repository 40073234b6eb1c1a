#include <link.h>
#include <unistd.h>

#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "commands.hpp"
#include "config.hpp"
#include "crash.hpp"
#include "file.hpp"
#include "json.hpp"
#include "licence.hpp"
#include "pipeline.hpp"
#include "sealed.hpp"

namespace edgepack::program {

namespace {

/// The GNU build-id in one segment of notes: {name size, size, type, name, id}, each padded to 4 bytes.
std::string build_id_in(const unsigned char* at, std::size_t size) {
  const auto padded = [](std::uint32_t n) { return (static_cast<std::size_t>(n) + 3U) & ~std::size_t{3}; };
  while (size >= 12) {
    std::uint32_t head[3];
    std::memcpy(head, at, sizeof head);
    const std::size_t whole = 12 + padded(head[0]) + padded(head[1]);
    if (whole > size) break;
    if (head[2] == NT_GNU_BUILD_ID && head[0] == 4 && std::memcmp(at + 12, "GNU", 4) == 0) {
      std::string id;
      for (std::uint32_t i = 0; i < head[1]; ++i) {
        const unsigned char byte = at[16 + i];
        id += "0123456789abcdef"[byte >> 4U];
        id += "0123456789abcdef"[byte & 15U];
      }
      return id;
    }
    at += whole;
    size -= whole;
  }
  return "";
}

/// The program's own build-id, read from its own memory so that it cannot be another's.
std::string found_build_id() {
  std::string id;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* to) {
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& header = info->dlpi_phdr[i];
          if (header.p_type != PT_NOTE) continue;
          const std::string found =
              build_id_in(reinterpret_cast<const unsigned char*>(info->dlpi_addr + header.p_vaddr), header.p_memsz);
          if (!found.empty()) *static_cast<std::string*>(to) = found;
        }
        return 1;  // the program itself comes first; libraries do not matter
      },
      &id);
  return id;
}

const std::string& build_id() {
  static const std::string id = found_build_id();
  return id;
}

std::string parent(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// The release that this program lies in: the parent of its folder.
std::string own_release(const char* called_as) {
  char buffer[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", buffer, sizeof buffer);
  // A box may have no /proc in a chroot.
  const std::string self = length > 0 ? std::string(buffer, static_cast<std::size_t>(length)) : called_as;
  const std::string folder = parent(self);
  return folder == "." ? ".." : parent(folder);
}

int usage(const std::string& problem) {
  if (!problem.empty()) complain(config.name + ": " + problem);
  complain("usage: " + config.name + " [--release DIR] about\n       " + config.name +
           " [--release DIR] verify [DIR]\n       " + config.name + " [--release DIR] infer [--outputs] FILE...\n       " +
           config.name + " [--release DIR] run --data DIR\n       " + config.name + " health [--metrics] --data DIR");
  return Exit::usage;
}

/// The words of the command line, sorted: options may stand before or after the subcommand.
struct Words {
  std::string release, data, command, problem;
  std::vector<std::string> files;
  bool with_outputs = false, with_metrics = false, plain = false;
};

Words words_of(int argc, char** argv) {
  Words words;
  bool only_files = false;
  for (int i = 1; i < argc && words.problem.empty(); ++i) {
    const std::string word = argv[i];
    if (!only_files && word == "--") {
      only_files = true;
    } else if (!only_files && (word == "--release" || word == "--data")) {
      if (++i == argc) {
        words.problem = word + " needs a folder";
      } else {
        (word == "--release" ? words.release : words.data) = argv[i];
      }
    } else if (!only_files && word == "--outputs") {
      words.with_outputs = true;
    } else if (!only_files && word == "--metrics") {
      words.with_metrics = true;
    } else if (!only_files && encrypted && word == "--plain") {
      words.plain = true;
    } else if (!only_files && word.size() > 1 && word[0] == '-') {
      words.problem = "unknown option " + word;
    } else if (words.command.empty()) {
      words.command = word;
    } else {
      words.files.push_back(word);
    }
  }
  return words;
}

int unlicensed(const std::string& words) {
  complain(config.name + ": " + words);
  return Exit::licence;
}

/// Also the models that `post` asks, before a picture comes.
template <class Command>
int with_models(const std::string& release, Command command) {
  try {
    open_models(release + "/model", load_model);
  } catch (const ModelError& error) {
    complain(error.what());
    return error.exit_code();
  }
  return command();
}

int dispatch(Words words, const char* called_as) {
  if (!words.problem.empty()) return usage(words.problem);
  if (words.release.empty()) words.release = own_release(called_as);
  if (words.with_outputs && words.command != "infer") return usage("--outputs goes with infer");
  if (words.with_metrics && words.command != "health") return usage("--metrics goes with health");
  if (words.plain && words.command != "verify") return usage("--plain goes with verify");
  const bool asks_licence = words.command == "infer" && Licence::wanted();
  const bool asks_key = encrypted && (words.command == "infer" || words.command == "verify");
  if (!words.data.empty() && words.command != "run" && words.command != "health" && !asks_licence && !asks_key) {
    return usage("--data goes with run and health");
  }
  // Where nobody says it: as a box has it, apps/APP/releases/RELEASE beside apps/APP/data.
  look_for_keys_in(words.data.empty() ? words.release + "/../../data" : words.data, words.plain);
  if (words.command == "about") return words.files.empty() ? about() : usage("about takes no file");
  if (words.command == "verify") {
    if (words.files.size() > 1) return usage("verify takes one folder");
    const std::string golden = words.files.empty() ? words.release + "/golden" : words.files[0];
    return with_models(words.release, [&] { return verify(words.release, golden); });
  }
  if (words.command == "infer") {
    if (words.files.empty()) return usage("infer needs a file");
    if (asks_licence && words.data.empty()) return usage("infer needs --data DIR: the licence is in it");
    const Licence licence(words.data);
    if (!licence.runs()) return unlicensed(licence.told().words);
    return with_models(words.release, [&] { return infer(words.release, words.files, words.with_outputs); });
  }
  if (words.command == "health") {
    if (words.data.empty() || !words.files.empty()) return usage("health takes --data DIR");
    return health(words.data, words.with_metrics);
  }
  if (words.command == "run") {
    if (words.data.empty() || !words.files.empty()) return usage("run takes --data DIR");
    return with_models(words.release, [&] { return run(words.release, words.data); });
  }
  return usage(words.command.empty() ? "" : "unknown command " + words.command);
}

}  // namespace

bool say(const std::string& line) { return write_all(STDOUT_FILENO, line + "\n"); }

// A line on stderr that cannot be written has nowhere else to go.
void complain(const std::string& line) { static_cast<void>(write_all(STDERR_FILENO, line + "\n")); }

void watch_for_crashes() { tell_of_crashes(build_id().c_str()); }

int about() {
  Json json;
  json.open('{').key("name").string(config.name).key("version").string(config.version);
  json.key("target").string(config.target).key("arch").string(config.arch);
  json.key("runtime").string(config.runtime).key("build_id").string(build_id()).close('}');
  return say(json.text()) ? Exit::ok : Exit::failed;
}

}  // namespace edgepack::program

int main(int argc, char** argv) {
  using namespace edgepack::program;
  // A reader that went away is an error of write(2), not the program's end.
  std::signal(SIGPIPE, SIG_IGN);
  watch_for_crashes();
  try {
    return dispatch(words_of(argc, argv), argc > 0 ? argv[0] : "");
  } catch (const std::exception& error) {
    complain(config.name + ": " + error.what());
    return Exit::failed;
  }
}
