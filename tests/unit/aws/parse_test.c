/* SPDX-License-Identifier: MIT */
#include "aws/aws.h"

#include "support/test.h"

TEST(finds_elements_one_after_the_other) {
    pf_str xml =
        PF_STR("<?xml version=\"1.0\"?><L xmlns=\"x\"><Keys/><Key>a&amp;b</Key><Prefix/><Key >c&#x2F;&#252;</Key>"
               "<Keyhole>no</Keyhole></L>");
    pf_str inner;
    size_t at = 0;
    CHECK_TRUE(pf_xml_find(xml, "Key", &at, &inner));
    CHECK_STR(inner, "a&amp;b");
    CHECK_TRUE(pf_xml_find(xml, "Key", &at, &inner));
    CHECK_STR(inner, "c&#x2F;&#252;");
    CHECK_FALSE(pf_xml_find(xml, "Key", &at, &inner));
    CHECK_STR(pf_xml_text(xml, "Key", test->arena), "a&b");
    CHECK_STR(pf_xml_text(pf_str_slice(xml, 60, xml.len), "Key", test->arena), "c/\xc3\xbc");
    CHECK_TRUE(pf_xml_find(xml, "Prefix", NULL, &inner));
    CHECK_STR(inner, "");
    CHECK_FALSE(pf_xml_find(PF_STR("<Key>cut"), "Key", NULL, &inner));
    CHECK_FALSE(pf_xml_find(PF_STR("<Key"), "Key", NULL, &inner));
    CHECK_STR(pf_xml_text(PF_STR("<K>&bad; &#xZ; &</K>"), "K", test->arena), "&bad; &#xZ; &");
}

TEST(reads_profile_files) {
    pf_str text = PF_STR("# comment\n[default]\naws_access_key_id = AK\naws_secret_access_key=S/+=x # not part\n"
                         "s3 =\n  max_concurrent_requests = 20\n[profile two]\r\nregion = eu-west-1\r\n; end\n");
    pf_str value;
    CHECK_TRUE(pf_ini_find(text, PF_STR("default"), PF_STR("aws_access_key_id"), &value));
    CHECK_STR(value, "AK");
    CHECK_TRUE(pf_ini_find(text, PF_STR("default"), PF_STR("AWS_SECRET_ACCESS_KEY"), &value));
    CHECK_STR(value, "S/+=x");
    CHECK_FALSE(pf_ini_find(text, PF_STR("default"), PF_STR("max_concurrent_requests"), &value));
    CHECK_TRUE(pf_ini_find(text, PF_STR("two"), PF_STR("region"), &value));
    CHECK_STR(value, "eu-west-1");
    CHECK_FALSE(pf_ini_find(text, PF_STR("two"), PF_STR("aws_access_key_id"), &value));
    CHECK_TRUE(pf_ini_has_section(text, PF_STR("two")));
    CHECK_FALSE(pf_ini_has_section(text, PF_STR("three")));
}

TEST(reads_times) {
    int64_t ms = 0;
    CHECK_TRUE(pf_aws_time_from(PF_STR("2015-08-30T12:36:00Z"), &ms));
    CHECK_INT(ms, 1440938160000);
    CHECK_TRUE(pf_aws_time_from(PF_STR("2015-08-30T12:36:00.123Z"), &ms));
    CHECK_INT(ms, 1440938160000);
    CHECK_TRUE(pf_aws_time_from(PF_STR("2015-08-30T14:36:00+02:00"), &ms));
    CHECK_INT(ms, 1440938160000);
    CHECK_FALSE(pf_aws_time_from(PF_STR("2015-13-30T12:36:00Z"), &ms));
    CHECK_FALSE(pf_aws_time_from(PF_STR("yesterday"), &ms));
    CHECK_TRUE(pf_http_date_from(PF_STR("Sun, 30 Aug 2015 12:36:00 GMT"), &ms));
    CHECK_INT(ms, 1440938160000);
    CHECK_FALSE(pf_http_date_from(PF_STR("Sun, 30 Xxx 2015 12:36:00 GMT"), &ms));
    CHECK_FALSE(pf_http_date_from(PF_STR("Sun, 30 Aug 15 12:36:00"), &ms));
}
