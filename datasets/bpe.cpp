// BPE: encoding.

#include "datasets/bpe.hpp"

#include <cstdio>
#include <queue>

#include "core/error.hpp"
#include "core/io/utf8.hpp"

namespace spikeloom {
namespace {

// One pre-token: starts of pieces linked to their neighbours, pairs waiting by rank and place.
class Word {
 public:
  Word(const BpeTokenizer& bpe, const std::vector<int32_t>& symbols) : bpe_(bpe) {
    nodes_.reserve(symbols.size());
    for (const int32_t id : symbols) nodes_.push_back({id, 0, 0});
    const auto count = static_cast<int32_t>(nodes_.size());
    for (int32_t i = 0; i < count; ++i) {
      nodes_[static_cast<size_t>(i)].before = i - 1;
      nodes_[static_cast<size_t>(i)].after = i + 1 < count ? i + 1 : -1;
    }
    for (int32_t i = 0; i + 1 < count; ++i) offer(i);
  }

  void merge_into(std::vector<int32_t>& ids) {
    while (!waiting_.empty()) {
      const Pair pair = waiting_.top();
      waiting_.pop();
      apply(pair);
    }
    for (const Piece& piece : nodes_) {
      if (piece.id >= 0) ids.push_back(piece.id);
    }
  }

 private:
  struct Piece {
    int32_t id, before, after;  // id -1: swallowed by its left neighbour
  };
  struct Pair {
    int32_t rank, left, left_id, right_id, merged;
    bool operator>(const Pair& other) const {
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };

  Piece& piece(int32_t i) { return nodes_[static_cast<size_t>(i)]; }

  void offer(int32_t left) {
    const int32_t right = left < 0 ? -1 : piece(left).after;
    if (right < 0) return;
    const int32_t a = piece(left).id, b = piece(right).id;
    const auto found = bpe_.merges.find(static_cast<uint64_t>(a) << 32 | static_cast<uint32_t>(b));
    if (found == bpe_.merges.end()) return;
    waiting_.push({found->second.rank, left, a, b, found->second.id});
  }

  void apply(const Pair& pair) {
    Piece& left = piece(pair.left);
    if (left.id != pair.left_id || left.after < 0) return;  // one of them has changed since
    Piece& right = piece(left.after);
    if (right.id != pair.right_id) return;
    left.id = pair.merged;
    right.id = -1;
    left.after = right.after;
    if (left.after >= 0) piece(left.after).before = pair.left;
    offer(left.before);
    offer(pair.left);
  }

  const BpeTokenizer& bpe_;
  std::vector<Piece> nodes_;
  std::priority_queue<Pair, std::vector<Pair>, std::greater<Pair>> waiting_;
};

std::string hexadecimal(const char* prefix, int digits, unsigned value) {
  char text[32];
  std::snprintf(text, sizeof text, "%s%0*X", prefix, digits, value);
  return text;
}

// Text on its way to ids.
class Encoder {
 public:
  Encoder(const BpeTokenizer& bpe, Encoded& result) : bpe_(bpe), result_(result) {}

  // Text between added tokens.
  void plain(std::string_view text) {
    const std::vector<char32_t> points = decode_utf8(text, "text");
    split_text(bpe_.splitters, {points.data(), points.size()}, [&](Piece piece) {
      if (!bpe_.byte_level) return word(piece);
      const bool prefix = bpe_.prefix_space && piece[0] != U' ';
      const std::u32string longer = prefix ? U" " + std::u32string(piece) : std::u32string();
      split_text(bpe_.words, prefix ? Piece(longer) : piece, [&](Piece part) { word(part); });
    });
  }

 private:
  void word(Piece piece) {
    bytes_.clear();
    for (const char32_t c : piece) append_utf8(bytes_, c);
    if (const auto found = bpe_.whole.find(bytes_); found != bpe_.whole.end()) {
      result_.ids.push_back(found->second);
      return;
    }
    symbols_.clear();
    waits_ = false;
    if (bpe_.byte_level) {
      for (const char c : bytes_) {
        const auto byte = static_cast<uint8_t>(c);
        if (!symbol(bpe_.bytes[byte], {})) missing("byte 0x", 2, byte);
      }
    } else {
      for (const char32_t c : piece) {
        const auto found = bpe_.characters.find(c);
        std::string own;
        if (found == bpe_.characters.end()) append_utf8(own, c);
        if (!symbol(found == bpe_.characters.end() ? -1 : found->second, own)) missing("U+", 4, c);
      }
    }
    if (waits_) symbols_.push_back(bpe_.unknown);
    Word(bpe_, symbols_).merge_into(result_.ids);
  }

  // A character by its id or, without one, by its bytes or the unknown token. As in the original,
  // an unknown token waits for a known character, behind bytes that come before it.
  // False for one that is not in the vocabulary.
  bool symbol(int32_t id, std::string_view bytes) {
    if (id >= 0) {
      if (waits_) symbols_.push_back(bpe_.unknown);
      waits_ = false;
      symbols_.push_back(id);
      return true;
    }
    if (bpe_.falls_back && !bytes.empty() && has_all(bytes)) {
      for (const char c : bytes) symbols_.push_back(bpe_.fallback[static_cast<uint8_t>(c)]);
      return true;
    }
    if (bpe_.unknown < 0) return false;
    if (waits_ && !bpe_.fuse_unknown) symbols_.push_back(bpe_.unknown);
    waits_ = true;
    return false;
  }

  void missing(const char* prefix, int digits, unsigned value) {
    if (result_.unknown++ == 0) result_.first_unknown = hexadecimal(prefix, digits, value);
  }

  bool has_all(std::string_view bytes) const {
    for (const char c : bytes) {
      if (bpe_.fallback[static_cast<uint8_t>(c)] < 0) return false;
    }
    return true;
  }

  const BpeTokenizer& bpe_;
  Encoded& result_;
  std::string bytes_;
  std::vector<int32_t> symbols_;
  bool waits_ = false;
};

}  // namespace

std::string name_of_character(char32_t c) {
  return hexadecimal("U+", 4, static_cast<unsigned>(c));
}

Encoded encode_bpe(const BpeTokenizer& bpe, std::string_view text, const std::string& what) {
  decode_utf8(text, what);  // refuses what is no text
  Encoded result;
  Encoder encoder(bpe, result);
  size_t sum = 0;  // bytes after normalisation: each of many short parts may grow a little
  bpe.raw.split(text, result.ids, [&](std::string_view part) {
    const std::string normal = normalized(bpe.normalizers, part, what);
    sum += normal.size();
    if (sum > most_after(text.size())) {
      throw Error(ErrorCode::kData,
                  what + ": the normalizer makes a text more than four times as long");
    }
    bpe.normalized.split(normal, result.ids, [&](std::string_view plain) { encoder.plain(plain); });
  });
  return result;
}

}  // namespace spikeloom
