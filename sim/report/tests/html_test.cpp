#include "sim/report/html.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "sim/report/tests/document.hpp"

namespace eptsim::sim::report {
namespace {

using test::Document;

TEST(Html, PlainTextIsEscaped) {
  EXPECT_EQ(Html("a < b & \"c\" > 'd'").text(), "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
  EXPECT_EQ(Html("\xc3\xa4 \xe2\x80\x94").text(), "\xc3\xa4 \xe2\x80\x94");
  EXPECT_EQ(Html(std::string_view("a\0b\x1b\x7f", 5)).text(),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd\xef\xbf\xbd")
      << "control characters stand nowhere in a document";
}

TEST(Html, AttributesAreEscapedAndContentIsNotEscapedTwice) {
  EXPECT_EQ(element("p", {{"title", "\"><script>"}}, element("b", "a&b")).text(),
            "<p title=\"&quot;&gt;&lt;script&gt;\"><b>a&amp;b</b></p>");
  EXPECT_EQ(empty_element("rect", {{"x", "1"}}).text(), "<rect x=\"1\"/>");
}

TEST(Document, TellsWhatIsNotWellFormed) {
  const std::string doctype = "<!DOCTYPE html>\n";
  EXPECT_NO_THROW(Document(doctype + "<p a=\"&lt;\">text<br/></p>\n"));
  for (const char* bad :
       {"<p><b></p></b>", "<p>", "</p>", "<p a=b></p>", "<p a></p>", "<p>&nbsp;</p>",
        "<p>a & b</p>", "<p></p><p></p>", "<p a=\"1\" a=\"2\"></p>", "<p", "text"}) {
    EXPECT_THROW(Document(doctype + bad), std::runtime_error) << bad;
  }
  EXPECT_THROW(Document("<p></p>"), std::runtime_error);
}

}  // namespace
}  // namespace eptsim::sim::report
