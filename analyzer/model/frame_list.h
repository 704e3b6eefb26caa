#pragma once

// The frames of a call path. Call paths have most frames in common, so a list only points to them: a frame with its
// names takes some 250 bytes, its place in a list 8.

#include <cstddef>
#include <iterator>
#include <vector>

#include "analyzer/model/frame_class.h"

namespace fdaudit::analyzer {

/// Frames from the innermost outwards. They must outlive the list.
class FrameList {
 public:
  class Iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = Frame;
    using difference_type = std::ptrdiff_t;
    using pointer = const Frame*;
    using reference = const Frame&;

    Iterator() = default;
    explicit Iterator(const Frame* const* at) : at_(at) {}
    reference operator*() const { return **at_; }
    pointer operator->() const { return *at_; }
    reference operator[](difference_type n) const { return *at_[n]; }
    Iterator& operator+=(difference_type n) { return at_ += n, *this; }
    Iterator& operator-=(difference_type n) { return at_ -= n, *this; }
    Iterator& operator++() { return *this += 1; }
    Iterator& operator--() { return *this -= 1; }
    Iterator operator++(int) { return Iterator(at_++); }
    Iterator operator--(int) { return Iterator(at_--); }
    Iterator operator+(difference_type n) const { return Iterator(at_ + n); }
    Iterator operator-(difference_type n) const { return Iterator(at_ - n); }
    difference_type operator-(const Iterator& other) const { return at_ - other.at_; }
    auto operator<=>(const Iterator&) const = default;

   private:
    const Frame* const* at_ = nullptr;
  };

  FrameList() = default;
  explicit FrameList(const std::vector<Frame>& frames) {
    for (const Frame& frame : frames) Add(&frame);
  }

  void Reserve(size_t count) { frames_.reserve(count); }
  void Add(const Frame* frame) { frames_.push_back(frame); }

  bool empty() const { return frames_.empty(); }
  size_t size() const { return frames_.size(); }
  const Frame& operator[](size_t i) const { return *frames_[i]; }
  const Frame& front() const { return *frames_.front(); }
  Iterator begin() const { return Iterator(frames_.data()); }
  Iterator end() const { return Iterator(frames_.data() + frames_.size()); }
  std::reverse_iterator<Iterator> rbegin() const { return std::reverse_iterator(end()); }
  std::reverse_iterator<Iterator> rend() const { return std::reverse_iterator(begin()); }

 private:
  std::vector<const Frame*> frames_;
};

}  // namespace fdaudit::analyzer
