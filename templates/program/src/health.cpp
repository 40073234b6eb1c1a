#include <sys/stat.h>

#include <cerrno>
#include <cmath>
#include <ctime>

#include "commands.hpp"
#include "config.hpp"
#include "file.hpp"

namespace edgepack::program {

namespace {

/// `run` writes its status each second; a box that is busy or swaps may be late. systemd is told as late (systemd.sh).
constexpr double oldest_status_s = 30;

}  // namespace

int health(const std::string& data, bool with_metrics) {
  const std::string path = data + "/status.json";
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) {
    complain(trouble(path, errno));
    return Exit::failed;
  }
  // Also one from the future: it is from before the clock was set back, and nothing was written since.
  const double age = std::difftime(std::time(nullptr), found.st_mtime);
  if (std::fabs(age) > oldest_status_s) {
    complain(path + ": nothing was written there for " + std::to_string(static_cast<long>(age)) + " s");
    return Exit::failed;
  }
  const std::string told = with_metrics ? ask_metrics() : "";
  if (!told.empty()) complain(told);
  return told.empty() ? Exit::ok : Exit::failed;
}

}  // namespace edgepack::program
