#include "text_forms.h"

#include <err.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>

#include "../../drivers/checksum.h"
#include "truth.h"

static const struct {
	uint16_t code;
	const char *name, *letters, *method;
} items[] = {
	{ 101, "农药残留", "PEST", "抑制率法" },
	{ 201, "亚硝酸盐", "NO2", "分光光度法" },
	{ 202, "二氧化硫", "SO2", "分光光度法" },
	{ 301, "多菌灵", "MBC", "免疫法" },
	{ TEXT_ITEM_FORMALDEHYDE, "甲醛", "HCHO", "分光光度法" },
	{ TEXT_ITEM_AFLATOXIN, "黄曲霉毒素B1", "AFB1", "免疫法" },
	{ TEXT_ITEM_CRP, "超敏C反应蛋白", "hs-CRP", "免疫法" },
};
static const char *const units[] = { "", "%", "mg/kg", "ug/kg", "RLU", "mg/L" };
static const char *const judged[] = { "", "合格", "不合格", "可疑", "无效" };
static const char *const found[] = { "", "阴性", "阳性", "可疑", "无效" };

static size_t item_of(const struct result *result)
{
	for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
		if (items[i].code == result->item)
			return i;
	}
	return 0;
}

static size_t to_gb18030(const char *utf8, uint8_t *out)
{
	static iconv_t converter = (iconv_t)-1;
	char *from = (char *)(uintptr_t)utf8, *to = (char *)out;
	size_t left = strlen(utf8), room = TEXT_FORM_MAX;

	if (converter == (iconv_t)-1 && (converter = iconv_open("GB18030", "UTF-8")) == (iconv_t)-1)
		err(1, "iconv cannot write GB18030");
	if (iconv(converter, &from, &left, &to, &room) == (size_t)-1)
		err(1, "a result is not UTF-8");
	return TEXT_FORM_MAX - room;
}

static const char *value_of(const struct result *result, char out[static 32])
{
	char number[24];

	snprintf(out, 32, "%s%s", result->below ? "<" : "",
		truth_number(number, result->value, result->decimals, false));
	return out;
}

static const char *time_of(const struct result *result, char out[static 32])
{
	const struct moment *tested = &result->tested;

	snprintf(out, 32, "%04u-%02u-%02u %02u:%02u:%02u", tested->year, tested->month, tested->day, tested->hour,
		tested->minute, tested->second);
	return out;
}

static const char *signal_of(uint16_t thousandths, char out[static 24])
{
	return truth_number(out, thousandths, 3, false);
}

size_t text_ticket(const struct result *result, uint8_t out[static TEXT_FORM_MAX])
{
	static const uint8_t cut[] = { 0x1D, 'V', 0 };
	char text[TEXT_FORM_MAX], value[32], time[32], control[24], limit[24];
	size_t item = item_of(result);

	snprintf(text, sizeof text,
		"\x1b@------检测结果------\n检测模块：分光光度\n检测项目：%s \n检测方法：%s\n样品编号：%s\n"
		"流水号：%05u\n样品名称：%s\n通道编号：%u\n稀释倍数：1.0\n反应液滴数：1.0\n对照值：%s\n"
		"检测结果：%s\n限量值：<%s%s\n判定结果：%s\n样品产地：长安镇\n检测人员：%s\n检测时间：%s\n"
		"检测地点：长安镇快检室\n\n\n",
		items[item].name, items[item].method, result->sample_no, result->number,
		result->name ? result->name : "-----", result->channel, signal_of(result->control, control),
		value_of(result, value), result->unit == 1 ? "50" : truth_number(limit, 2000, 2, true),
		units[result->unit], judged[result->verdict], result->operator_name ? result->operator_name : "-----",
		time_of(result, time));
	size_t length = to_gb18030(text, out);
	memcpy(out + length, cut, sizeof cut);
	return length + sizeof cut;
}

size_t text_line(const struct result *result, uint8_t out[static TEXT_FORM_MAX])
{
	char text[TEXT_FORM_MAX], value[32], time[32], signal[24], check[3];

	snprintf(text, sizeof text, "R,%s,A%02u,%s,%s,%s,%s,%s,%s,", result->sample_no, result->channel,
		items[item_of(result)].name, signal_of(result->signal, signal), value_of(result, value),
		units[result->unit], judged[result->verdict], time_of(result, time));
	size_t length = to_gb18030(text, out);
	snprintf(check, sizeof check, "%02X", checksum_xor8(out, length)); /* what a real one checks is not known */
	memcpy(out + length, check, 2);
	return length + 2;
}

size_t text_push(const struct result *result, uint8_t out[static TEXT_FORM_MAX])
{
	static const uint8_t start[] = { 0xFF, '$', 0xFF, '$', 3 };
	static const uint8_t reference[] = { 0, 0, 0, 0, 0, 0, 0x20, 0x41 }; /* 0.0 to 10.0 */
	char text[64], value[32];

	value_of(result, value);
	int length = snprintf(text, sizeof text, "%15s%8s%6s%8s", result->sample_no, items[item_of(result)].letters,
		value, units[result->unit]);
	if (length != 37)
		errx(1, "'%s' does not fit a push", text);
	memcpy(out, start, sizeof start);
	memcpy(out + 5, text, (size_t)length);
	memcpy(out + 42, reference, sizeof reference);
	snprintf(text, sizeof text, "%4u", result->number % 10000);
	for (size_t i = 0; i < 4; i++)
		out[50 + i] = (uint8_t)text[i];
	out[54] = checksum_sum8(out + 3, 51);
	out[55] = '\r';
	out[56] = '\n';
	return TEXT_PUSH;
}

size_t text_object(const struct result *result, uint8_t out[static TEXT_FORM_MAX])
{
	char value[32], time[32];

	return (size_t)snprintf((char *)out, TEXT_FORM_MAX,
		"{\"检测结果\":\"%s %s %s\",\"检测项目\":\"%s\",\"样品编号\":\"%s\",\"样品名称\":\"%s\",\"检测时间\":\"%s\"}",
		value_of(result, value), units[result->unit], found[result->verdict], items[item_of(result)].name,
		result->sample_no, result->name ? result->name : "", time_of(result, time));
}

size_t text_row(const struct result *result, uint8_t out[static TEXT_FORM_MAX])
{
	char text[TEXT_FORM_MAX], value[32], time[32];

	snprintf(text, sizeof text, "%u,%s,\"%s\",%s,%s,%s,%s,%s\r\n", result->number, result->sample_no,
		result->name ? result->name : "", items[item_of(result)].name, value_of(result, value),
		units[result->unit], found[result->verdict], time_of(result, time));
	return to_gb18030(text, out);
}

size_t text_heading(uint8_t out[static TEXT_FORM_MAX])
{
	return to_gb18030("序号,样品编号,样品名称,检测项目,检测结果,单位,结论,检测时间\r\n", out);
}
