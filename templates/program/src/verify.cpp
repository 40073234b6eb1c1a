#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <map>

#include "commands.hpp"
#include "image.hpp"
#include "npy.hpp"
#include "raw_input.hpp"
#include "pipeline.hpp"

namespace edgepack::program {

namespace {

/// How far one output is from the trained model's, over all samples.
struct OutputCheck {
  explicit OutputCheck(const std::string& path) : reference(path) {}

  NpyArray reference;
  double cosine_min = 1, max_abs = 0, sum_abs = 0, highest = 0;
  std::size_t count = 0;
  bool finite = true;

  void compare(std::size_t sample, const std::vector<float>& got) {
    const std::vector<float> expected = reference.floats(sample);
    double dot = 0, norm_got = 0, norm_expected = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const auto a = static_cast<double>(got[i]), b = static_cast<double>(expected[i]);
      if (!std::isfinite(a) || !std::isfinite(b)) finite = false;
      dot += a * b;
      norm_got += a * a;
      norm_expected += b * b;
      max_abs = std::max(max_abs, std::abs(a - b));
      sum_abs += std::abs(a - b);
      highest = std::max(highest, std::abs(b));
    }
    count += got.size();
    // Two zero vectors point the same way; a zero and another do not.
    const bool zero = norm_got == 0 || norm_expected == 0;
    const double cosine = zero ? (norm_got == norm_expected ? 1 : 0)
                               : dot / (std::sqrt(norm_got) * std::sqrt(norm_expected));
    cosine_min = std::min(cosine_min, cosine);
  }

  bool ok() const {
    return finite && cosine_min >= config.cosine && max_abs <= config.max_abs * std::max(1.0, highest);
  }

  void write(Json& json) const {
    const double nothing = std::nan("");
    json.open('{').key("cosine_min").number(finite ? cosine_min : nothing);
    json.key("max_abs").number(finite ? max_abs : nothing).key("max_reference").number(highest);
    json.key("mean_abs").number(finite ? sum_abs / static_cast<double>(std::max<std::size_t>(count, 1)) : nothing);
    json.key("ok").boolean(ok()).close('}');
  }
};

/// How often one field of the record is what the trained model's own pipeline said.
struct RecordCheck {
  explicit RecordCheck(const std::string& file) : path(file), reference(file) {}

  std::string path;
  NpyArray reference;
  std::size_t agree = 0, of = 0;

  void compare(std::size_t sample, const Record::Value* said) {
    ++of;
    if (said == nullptr) return;
    if (reference.shape().size() == 2) {
      // A list where the program has one value: these vectors are not of this program.
      if (!std::holds_alternative<std::vector<std::int64_t>>(*said) && !std::holds_alternative<std::vector<float>>(*said)) {
        throw ReadError(path + ": " + std::to_string(reference.row_elements()) + " numbers a sample, the program gives 1");
      }
      agree += same_list(sample, *said) ? 1 : 0;
    } else if (reference.type() == NpyArray::Type::int64) {
      agree += same_integer(*said, reference.integers(sample)[0]) ? 1 : 0;
    } else {
      agree += near(*said, static_cast<double>(reference.floats(sample)[0])) ? 1 : 0;
    }
  }

  // 1e-9: a part such as 0.9 has no exact double.
  bool ok() const { return static_cast<double>(agree) + 1e-9 >= config.records * static_cast<double>(of); }

 private:
  /// A list as long as the reference's row, whose end may be filled: with -1, or of floats with NaN.
  bool same_list(std::size_t sample, const Record::Value& said) const {
    if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&said)) {
      if (reference.type() != NpyArray::Type::int64) return false;
      std::vector<std::int64_t> expected = reference.integers(sample);
      if (integers->size() > expected.size()) return false;
      return std::equal(integers->begin(), integers->end(), expected.begin()) &&
             std::all_of(expected.begin() + static_cast<std::ptrdiff_t>(integers->size()), expected.end(), [](auto rest) { return rest == -1; });
    }
    const auto* numbers = std::get_if<std::vector<float>>(&said);
    if (numbers == nullptr || reference.type() != NpyArray::Type::float32) return false;
    const std::vector<float> expected = reference.floats(sample);
    if (numbers->size() > expected.size()) return false;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const bool nothing = std::isnan(expected[i]);
      if (i >= numbers->size() || std::isnan((*numbers)[i]) ? !nothing : !near(static_cast<double>((*numbers)[i]), static_cast<double>(expected[i]))) return false;
    }
    return true;
  }

  static bool same_integer(const Record::Value& said, std::int64_t expected) {
    if (const auto* integer = std::get_if<std::int64_t>(&said)) return *integer == expected;
    if (const auto* truth = std::get_if<bool>(&said)) return static_cast<std::int64_t>(*truth) == expected;
    if (const auto* number = std::get_if<double>(&said)) return *number == static_cast<double>(expected);
    return false;
  }

  static bool near(const Record::Value& said, double expected) {
    double value = 0;
    if (const auto* number = std::get_if<double>(&said)) {
      value = *number;
    } else if (const auto* integer = std::get_if<std::int64_t>(&said)) {
      value = static_cast<double>(*integer);
    } else {
      return false;
    }
    // Written so that a NaN on either side is no agreement.
    return std::abs(value - expected) <= config.near * std::max(1.0, std::abs(expected));
  }
};

std::vector<std::string> names_in(const std::string& folder) {
  DIR* listing = opendir(folder.c_str());
  if (listing == nullptr) throw ReadError(trouble(folder, errno));
  std::vector<std::string> names;
  while (const dirent* entry = readdir(listing)) names.emplace_back(entry->d_name);
  closedir(listing);
  std::sort(names.begin(), names.end());
  return names;
}

/// A set of golden vectors and what has been found with it.
class Golden {
 public:
  explicit Golden(const std::string& folder) : input_(folder + "/input.npy") {
    check_inputs(folder + "/input.npy", input_);
    if (input_.rows() == 0 || input_.row_elements() == 0) throw ReadError(folder + "/input.npy: has no samples");
    for (const TensorInfo& output : config.outputs) {
      const std::string path = folder + "/output." + output.tensor + ".npy";
      const OutputCheck& check = outputs_.emplace(output.tensor, path).first->second;
      std::size_t elements = 1;
      for (const int axis : output.shape) elements *= static_cast<std::size_t>(axis);
      fits(path, check.reference, NpyArray::Type::float32, elements);
    }
    add_records(folder);
  }

  std::size_t samples() const { return input_.rows(); }

  Tensor input(std::size_t n) const { return raw_input(input_, n); }

  void compare(std::size_t n, const Answer& answer) {
    for (std::size_t i = 0; i < answer.outputs.size(); ++i) {
      outputs_.at(config.outputs[i].tensor).compare(n, answer.outputs[i].data);
    }
    for (auto& [field, check] : records_) check.compare(n, answer.record.find(field));
  }

  bool ok() const {
    const auto fine = [](const auto& item) { return item.second.ok(); };
    return std::all_of(outputs_.begin(), outputs_.end(), fine) && std::all_of(records_.begin(), records_.end(), fine);
  }

  void write(Json& json) const {
    json.key("outputs").open('{');
    for (const auto& [tensor, check] : outputs_) check.write(json.key(tensor));
    json.close('}').key("records").open('{');
    for (const auto& [field, check] : records_) {
      json.key(field).open('{').key("agree").integer(static_cast<std::int64_t>(check.agree));
      json.key("of").integer(static_cast<std::int64_t>(check.of)).key("ok").boolean(check.ok()).close('}');
    }
    json.close('}');
  }

 private:
  void fits(const std::string& path, const NpyArray& array, NpyArray::Type type, std::size_t elements) const {
    if (array.type() != type) throw ReadError(path + ": its numbers are of another type than they must be");
    if (array.rows() != input_.rows()) {
      throw ReadError(path + ": " + std::to_string(array.rows()) + " samples, input.npy has " +
                      std::to_string(input_.rows()));
    }
    if (array.row_elements() != elements) {
      throw ReadError(path + ": " + std::to_string(array.row_elements()) + " numbers a sample, the program gives " +
                      std::to_string(elements));
    }
  }

  void add_records(const std::string& folder) {
    const std::string start = "record.", end = ".npy";
    for (const std::string& name : names_in(folder)) {
      if (name.size() <= start.size() + end.size() || name.compare(0, start.size(), start) != 0 ||
          name.compare(name.size() - end.size(), end.size(), end) != 0) {
        continue;
      }
      const std::string field = name.substr(start.size(), name.size() - start.size() - end.size());
      const NpyArray& array = records_.emplace(field, folder + "/" + name).first->second.reference;
      const bool integers = array.type() == NpyArray::Type::int64;
      const std::size_t row = array.shape().size() == 2 ? array.row_elements() : 1;  // a list; or one value
      fits(folder + "/" + name, array, integers ? NpyArray::Type::int64 : NpyArray::Type::float32, row);
    }
  }

  NpyArray input_;
  std::map<std::string, OutputCheck> outputs_;
  std::map<std::string, RecordCheck> records_;
};

int report(std::size_t samples, const Golden* golden, const std::string& error, int code) {
  Json json;
  json.open('{').key("samples").integer(static_cast<std::int64_t>(samples)).key("ok").boolean(code == Exit::ok);
  if (!error.empty()) json.key("error").string(error);
  if (golden != nullptr) golden->write(json);
  json.key("gates").open('{').key("cosine").number(config.cosine).key("max_abs").number(config.max_abs);
  json.key("records").number(config.records).key("near").number(config.near);
  json.close('}').close('}');
  if (!error.empty()) complain(error);
  return say(json.text()) ? code : Exit::failed;
}

}  // namespace

int verify(const std::string& release, const std::string& folder) {
  std::unique_ptr<Model> model;
  std::unique_ptr<Golden> golden;
  std::size_t n = 0;
  try {
    model = open_model(release + "/model");
    golden = std::make_unique<Golden>(folder);
    for (; n < golden->samples(); ++n) {
      const Tensor input = golden->input(n);
      Answer said;
      try {
        said = answer(*model, input, sample_moment(n));
      } catch (const std::exception& error) {
        return report(n, golden.get(), "sample " + std::to_string(n) + ": " + error.what(), Exit::parity);
      }
      golden->compare(n, said);
    }
  } catch (const ModelError& error) {
    return report(n, golden.get(), error.what(), error.exit_code());
  } catch (const std::exception& error) {
    return report(n, golden.get(), error.what(), Exit::model);
  }
  return report(n, golden.get(), "", golden->ok() ? Exit::ok : Exit::parity);
}

}  // namespace edgepack::program
