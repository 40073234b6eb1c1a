// The last step of `post`: from probabilities to what the customer reads.
//
// To write one: take the outputs in the order the model declares them (here one of shape {10}, already
// through `softmax`), and set the fields of the answer. Each `set` is one field of the JSON line
// in results.jsonl; golden vectors named `record.<field>` hold it to the trained model's answer.

#include <edgepack/edgepack.h>

#include <algorithm>
#include <cstdint>

void decode(const std::vector<edgepack::Tensor>& outputs, edgepack::Record& record) {
    const std::vector<float>& chances = outputs.at(0).data;
    const auto best = std::max_element(chances.begin(), chances.end());
    record.set("class", static_cast<std::int64_t>(best - chances.begin()));
    record.set("confidence", static_cast<double>(*best));
}
