#include "produce.h"

#include <stdio.h>
#include <string.h>

#include "a7.h"
#include "text_forms.h"

#define COUNT(list) (uint32_t)(sizeof(list) / sizeof *(list))

/* A name field of six bytes holds three Hanzi; with a digit or a letter before them the third is cut in half. */
static const char *const samples[] = { "菠菜", "韭菜", "青菜", "芹菜", "生菜", "茄子", "黄瓜", "豇豆", "番茄", "辣椒",
	"白萝卜", "大白菜", "小白菜", "空心菜", "油麦菜", "西兰花", "四季豆", "上海青", "葱", "1号小白菜", "2号空心菜",
	"A区大白菜", "3号鸡毛菜", "结球甘蓝" };
static const char *const operators[] = { "张三", "李小芳", "王建国", "陈伟" };

enum { UNIT_NONE, UNIT_PERCENT, UNIT_MG_KG, UNIT_UG_KG, UNIT_RLU, UNIT_MG_L };
enum { A2B_CHANNELS = 24 };

struct test { /* one entry of the A6b's menu */
	uint16_t code, unit;
	uint8_t decimals;
	int32_t limit; /* positive from here on, in the displayed decimals */
	int32_t usual; /* most results lie under it */
};

static const struct test menu[] = {
	{ 101, UNIT_PERCENT, 2, 5000, 4200 }, /* organophosphorus and carbamate residues */
	{ 101, UNIT_PERCENT, 2, 5000, 4200 }, { 201, UNIT_MG_KG, 2, 2000, 1500 }, /* nitrite */
	{ 202, UNIT_MG_KG, 3, 50, 45 },                                           /* sulfur dioxide */
	{ 301, UNIT_UG_KG, 1, 200, 150 },                                         /* carbendazim */
};

/* Wells are filled one after the other. */
static uint8_t take_channel(struct instrument *instrument)
{
	unsigned channels = instrument->options->archetype == ARCHETYPE_A6B  ? A6B_CHANNELS
	                    : instrument->options->archetype == ARCHETYPE_A1 ? DUMP8_WELLS_MAX
	                                                                     : A2B_CHANNELS;
	unsigned channel = instrument->next_channel;

	instrument->next_channel = channel % channels + 1;
	return (uint8_t)channel;
}

static void name_sample(struct instrument *instrument, struct result *result)
{
	do
		result->name = samples[dice_below(&instrument->dice, COUNT(samples))];
	while (!has_quirk(instrument->options, 12) && strlen(result->name) > 3 * strlen("菜"));
}

/* The signals a reader with this inhibition shows: control 0.300..0.950, sample = control * (1 - inhibition). */
static void signals_for(struct instrument *instrument, struct result *result, int32_t inhibition_hundredths)
{
	int32_t control = dice_between(&instrument->dice, 400, 950);
	int32_t signal = (control * (10000 - inhibition_hundredths) + 5000) / 10000;

	result->control = (uint16_t)control;
	result->signal = (uint16_t)(signal < 0 ? 0 : signal);
}

/* The app displays something else than its sensor measured: so much, in hundredths of a point. */
static int32_t app_offset(struct instrument *instrument)
{
	int32_t most = (int32_t)(100 * instrument->options->app_offset);
	return most > 0 ? dice_between(&instrument->dice, -most, most) : 0;
}

/* Without quirk 7 there is nothing behind the point. */
static int32_t whole(const struct instrument *instrument, int32_t value, int32_t scale)
{
	return has_quirk(instrument->options, 7) ? value : value - value % scale;
}

/* Inhibition in hundredths of a percent: mostly low, some over the limit, a few a little below zero, now and then
 * exactly 50.00. */
static int32_t inhibition(struct instrument *instrument)
{
	struct dice *dice = &instrument->dice;
	uint32_t luck = dice_below(dice, 100);

	if (luck < 4)
		return whole(instrument, dice_between(dice, -480, -1), 100);
	if (luck < 4 + (uint32_t)(100 * instrument->options->at_limit))
		return 5000;
	if (luck < 14)
		return whole(instrument, dice_between(dice, 5001, 9950), 100);
	return whole(instrument, dice_between(dice, 0, 4600), 100);
}

static bool control_is_due(struct instrument *instrument)
{
	instrument->controls_owed += instrument->options->controls;
	if (instrument->controls_owed < 1)
		return false;
	instrument->controls_owed -= 1;
	return true;
}

static void produce_a2(struct instrument *instrument, struct result *out)
{
	name_sample(instrument, out);
	out->unit = UNIT_PERCENT;
	out->decimals = 2;
	out->value = inhibition(instrument);
	out->number &= 0xFFFF;
	if (control_is_due(instrument)) {
		out->kind = RESULT_NEGATIVE_CONTROL;
		out->name = "对照样"; /* how this reader tells its control well */
		out->value = 0;
	}
}

static void produce_a2b(struct instrument *instrument, struct result *out)
{
	bool control = control_is_due(instrument);
	int32_t percent = control ? 0 : inhibition(instrument);

	out->unit = UNIT_PERCENT;
	out->decimals = 1;
	out->value = percent / 10;
	out->standard = dice_chance(&instrument->dice, 0.2);
	out->channel = control ? 0 : take_channel(instrument);
	out->kind = control ? RESULT_NEGATIVE_CONTROL : RESULT_SAMPLE;
	out->verdict = out->value >= (out->standard ? 700 : 500) ? RESULT_POSITIVE : RESULT_NEGATIVE;
	signals_for(instrument, out, percent);
	if (dice_chance(&instrument->dice, instrument->options->sentinels)) {
		out->sentinel = dice_chance(&instrument->dice, 0.5) ? SENTINEL_NOT_AVAILABLE : SENTINEL_INVALID;
		out->verdict = RESULT_INVALID;
		out->signal = 0;
	}
	out->number &= 0xFFFF;
}

/* Where it is wished for, the first well of a group is the control. */
static void produce_a1(struct instrument *instrument, struct result *out)
{
	bool control = instrument->options->controls > 0 && instrument->next_channel == 1;
	int32_t percent = control ? 0 : inhibition(instrument);

	out->number = instrument->group;
	out->channel = take_channel(instrument);
	out->item = 1;
	out->unit = UNIT_PERCENT;
	out->decimals = 1;
	out->app_offset = control ? 0 : app_offset(instrument) / 10;
	out->value = percent / 10 + out->app_offset;
	out->kind = control ? RESULT_NEGATIVE_CONTROL : RESULT_SAMPLE;
	/* one control for the wells of a group */
	out->control = (uint16_t)(400 + instrument->batch * 37 % 550);
	out->signal = (uint16_t)(out->control * (10000 - percent) / 10000);
	if (instrument->options->sample_abs)
		out->sentinel = SENTINEL_WORD; /* it is not sent */
	if (instrument->options->layout == SIM_LAYOUT_Z24) {
		name_sample(instrument, out);
		snprintf(out->sample_no, sizeof out->sample_no, "%u", out->channel);
	}
}

/* Surfaces are mostly clean; the point within the hygiene plan takes the place of a channel. */
static void produce_a5(struct instrument *instrument, struct result *out)
{
	uint32_t luck = dice_below(&instrument->dice, 100);

	out->number &= 0xFFFF;
	out->channel = take_channel(instrument);
	out->unit = UNIT_RLU;
	out->value = luck < 70   ? dice_between(&instrument->dice, 0, 10)
	             : luck < 90 ? dice_between(&instrument->dice, 11, 30)
	                         : dice_between(&instrument->dice, 31, 9999);
}

/* One item a batch. Its first channel may be the control. */
static void produce_a3(struct instrument *instrument, struct result *out)
{
	bool first = !instrument->has_previous || instrument->previous.batch != instrument->batch;
	bool control = first && control_is_due(instrument);

	out->number = instrument->group;
	out->tested.second &= 0xFE; /* sent in steps of two seconds */
	out->item = (uint16_t)(instrument->batch / 3 % 3);
	out->channel = control ? 0 : take_channel(instrument);
	out->kind = control ? RESULT_NEGATIVE_CONTROL : RESULT_SAMPLE;
	out->unit = out->item == 0 ? UNIT_PERCENT : UNIT_MG_KG;
	out->decimals = out->item == 0 ? 1 : 3;
	out->value = control          ? 0
	             : out->item == 0 ? inhibition(instrument) / 10
	                              : whole(instrument, dice_between(&instrument->dice, -20, 90000), 1000);
	if (dice_chance(&instrument->dice, instrument->options->suspects))
		out->verdict = RESULT_SUSPECT;
	if (dice_chance(&instrument->dice, instrument->options->sentinels)) {
		out->sentinel = dice_chance(&instrument->dice, 0.5) ? SENTINEL_NOT_AVAILABLE : SENTINEL_INVALID;
		out->verdict = RESULT_INVALID;
	}
}

/* A strip, of the a3 with --gold or of the a4: one verdict in fourteen is not "negative". */
static void produce_strip(struct instrument *instrument, struct result *out)
{
	uint32_t luck = dice_below(&instrument->dice, 56);
	bool text = instrument->options->archetype == ARCHETYPE_A4;

	out->number &= 0xFFFF;
	out->item = (uint16_t)dice_below(&instrument->dice, 3);
	out->channel = CHANNEL_NONE;
	out->verdict = luck == 0           ? RESULT_INVALID
	               : luck < 3          ? RESULT_POSITIVE
	               : luck == 3 && text ? RESULT_SUSPECT
	                                   : RESULT_NEGATIVE;
	out->control = (uint16_t)dice_between(&instrument->dice, 500, 12000);
	out->signal = (uint16_t)(out->control * (luck < 4 ? 1U : 3U) / 4);
	out->sentinel = SENTINEL_WORD;
	if (!text) {
		out->tested.second &= 0xFE;
		return;
	}
	out->unit = UNIT_UG_KG;
	out->decimals = 2;
	if (out->verdict != RESULT_INVALID && dice_chance(&instrument->dice, 0.7)) {
		out->sentinel = SENTINEL_NONE;
		out->value = out->verdict == RESULT_NEGATIVE ? 0 : dice_between(&instrument->dice, 100, 9000);
	}
	name_sample(instrument, out);
	snprintf(out->sample_no, sizeof out->sample_no, "S%04u", (unsigned)(instrument->finished % 9999 + 1));
}

/* Polar compounds of frying oil, mostly within the limit of 27 %; no seconds are kept. */
static void produce_a6a(struct instrument *instrument, struct result *out)
{
	out->tested.second = 0;
	out->unit = UNIT_PERCENT;
	out->decimals = 1;
	out->value = dice_chance(&instrument->dice, 0.1) ? dice_between(&instrument->dice, 271, 400)
	                                                 : dice_between(&instrument->dice, 30, 270);
	out->signal = (uint16_t)dice_between(&instrument->dice, 1500, 2000);
}

static void give_verdict(struct instrument *instrument, const struct test *test, struct result *out)
{
	uint32_t luck = dice_below(&instrument->dice, 100);

	if (luck < 2)
		out->verdict = RESULT_INVALID;
	else if (luck < 5)
		out->verdict = RESULT_SUSPECT;
	else
		out->verdict = out->value >= test->limit ? RESULT_POSITIVE : RESULT_NEGATIVE;
}

/* What only text instruments test; the last two are for strips, whose names a push has room for. */
static const struct test text_menu[] = {
	{ 101, UNIT_PERCENT, 2, 5000, 4200 },
	{ TEXT_ITEM_FORMALDEHYDE, UNIT_MG_KG, 2, 1000, 800 },
	{ TEXT_ITEM_AFLATOXIN, UNIT_UG_KG, 1, 50, 40 },
	{ TEXT_ITEM_CRP, UNIT_MG_L, 1, 100, 90 },
};

static const struct test fluorescence_menu[] = {
	{ A7_CHLORPYRIFOS, UNIT_MG_KG, 3, 20, 18 },
	{ A7_AFLATOXIN, UNIT_UG_KG, 1, 50, 40 },
	{ A7_MALACHITE_GREEN, UNIT_UG_KG, 2, 100, 80 },
};
/* In GB 18030 their second bytes are | ~ and \\ and ^ and R, or there are four of them. */
static const char *const traditional[] = { "鱸魚", "鱘魚", "大頭菜", "馬鈴薯", "𠮷利蝦", "菠菜" };

static const struct test *choose_test(struct instrument *instrument)
{
	if (instrument->options->archetype == ARCHETYPE_A7)
		return &fluorescence_menu[dice_below(&instrument->dice, COUNT(fluorescence_menu))];
	return &text_menu[dice_below(&instrument->dice, COUNT(text_menu))];
}

/* The test before, when its sample is tested once more; else NULL. */
static const struct test *test_again(struct instrument *instrument)
{
	const struct result *previous = &instrument->previous;

	if (!instrument->has_previous || previous->kind != RESULT_SAMPLE ||
		!dice_chance(&instrument->dice, instrument->options->retests))
		return NULL;
	for (size_t i = 0; i < COUNT(text_menu); i++) {
		if (text_menu[i].code == previous->item)
			return &text_menu[i];
	}
	return NULL;
}

/* Instruments that write text: what they say of a result is in text_forms.c. */
static void produce_text(struct instrument *instrument, struct result *out)
{
	bool fluorescence = instrument->options->archetype == ARCHETYPE_A7;
	const struct test *again = test_again(instrument), *test = again ? again : choose_test(instrument);

	out->item = test->code;
	out->unit = test->unit;
	out->decimals = test->decimals;
	out->value = dice_chance(&instrument->dice, 0.06)
	                     ? dice_between(&instrument->dice, test->limit, 3 * test->limit)
	                     : dice_between(&instrument->dice, 5, test->usual);
	out->below =
		dice_chance(&instrument->dice, 0.1) && out->value < test->limit; /* "<136.30" has no room in a push */
	out->channel = take_channel(instrument);
	give_verdict(instrument, test, out);
	signals_for(instrument, out, 2500);
	if (fluorescence && has_quirk(instrument->options, 13))
		out->name = traditional[dice_below(&instrument->dice, COUNT(traditional))];
	else
		name_sample(instrument, out);
	out->operator_name = operators[dice_below(&instrument->dice, COUNT(operators))];
	snprintf(out->sample_no, sizeof out->sample_no, "S%05u", (unsigned)(instrument->finished % 99999 + 1));
	if (again) {
		out->retest = true;
		out->name = instrument->previous.name;
		memcpy(out->sample_no, instrument->previous.sample_no, sizeof out->sample_no);
		return;
	}
	if (instrument->options->archetype == ARCHETYPE_A10 || !control_is_due(instrument))
		return;
	out->kind = RESULT_NEGATIVE_CONTROL;
	if (instrument->options->archetype == ARCHETYPE_A9) /* which has no names */
		strcpy(out->sample_no, "对照样");
	else
		out->name = "对照样";
}

/* What is not to be found is not, and what was added is. */
static void show_what_is_expected(const struct test *test, struct result *out)
{
	bool positive = out->kind == RESULT_POSITIVE_CONTROL;
	out->value = positive ? test->limit + test->limit / 2 : test->usual / 8;
	out->verdict = positive ? RESULT_POSITIVE : RESULT_NEGATIVE;
	if (test->unit == UNIT_PERCENT)
		out->signal = (uint16_t)(out->control * (10000 - out->value) / 10000);
}

static void make_control(struct instrument *instrument, const struct test *test, struct result *out)
{
	static const enum result_kind turn[] = { RESULT_NEGATIVE_CONTROL, RESULT_BLANK, RESULT_POSITIVE_CONTROL,
		RESULT_NEGATIVE_CONTROL, RESULT_CALIBRATION };

	out->kind = (uint8_t)turn[instrument->control_turn++ % COUNT(turn)];
	out->name = NULL;
	out->sample_no[0] = '\0';
	if (instrument->control_turn % 8 != 0) /* one in eight is left to chance: mostly not what it should be */
		show_what_is_expected(test, out);
	if (out->kind == RESULT_BLANK || out->kind == RESULT_CALIBRATION)
		out->verdict = RESULT_NONE;
}

static void produce_a6b(struct instrument *instrument, struct result *out)
{
	const struct test *test = &menu[dice_below(&instrument->dice, COUNT(menu))];
	int32_t value = test->unit == UNIT_PERCENT ? inhibition(instrument)
	                : dice_chance(&instrument->dice, 0.06)
	                        ? dice_between(&instrument->dice, test->limit, 3 * test->limit)
	                        : dice_between(&instrument->dice, 0, test->usual);

	out->item = test->code;
	out->unit = test->unit;
	out->decimals = test->decimals;
	out->app_offset = test->unit == UNIT_PERCENT ? app_offset(instrument) : 0;
	out->value = value + out->app_offset;
	out->channel = take_channel(instrument);
	give_verdict(instrument, test, out);
	signals_for(instrument, out, test->unit == UNIT_PERCENT ? value : 2500);
	name_sample(instrument, out);
	out->operator_name = operators[dice_below(&instrument->dice, COUNT(operators))];
	snprintf(out->sample_no, sizeof out->sample_no, "S%04u", (unsigned)(instrument->finished % 9999 + 1));
	if (control_is_due(instrument))
		make_control(instrument, test, out);
}

/* Two wells can be equal to the last digit, in the same second: only the running number tells them apart. */
static bool repeat_previous(struct instrument *instrument, struct moment now, struct result *out)
{
	struct result again = instrument->previous;

	/* the control of an A1 is one well, not two */
	if (instrument->options->archetype == ARCHETYPE_A1 && instrument->next_channel <= 2)
		return false;
	/* the channels of one record share its time and item */
	if (instrument->options->archetype == ARCHETYPE_A3 && !instrument->options->gold &&
		(again.batch != out->batch || again.channel == 0))
		return false;
	if (!instrument->has_previous || again.tested.day != now.day ||
		!dice_chance(&instrument->dice, instrument->options->same))
		return false;
	bool grouped = instrument->options->archetype == ARCHETYPE_A1 ||
	               (instrument->options->archetype == ARCHETYPE_A3 && !instrument->options->gold);
	again.number = grouped ? instrument->group : out->number;
	again.batch = out->batch;
	if (again.channel > 0 && again.channel != CHANNEL_NONE)
		again.channel = take_channel(instrument);
	*out = again;
	return true;
}

static void produce_anew(struct instrument *instrument, struct result *out)
{
	switch (instrument->options->archetype) {
	case ARCHETYPE_A2:
		produce_a2(instrument, out);
		break;
	case ARCHETYPE_A2B:
		produce_a2b(instrument, out);
		break;
	case ARCHETYPE_A6B:
		produce_a6b(instrument, out);
		break;
	case ARCHETYPE_A1:
		produce_a1(instrument, out);
		break;
	case ARCHETYPE_A5:
		produce_a5(instrument, out);
		break;
	case ARCHETYPE_A6A:
		produce_a6a(instrument, out);
		break;
	case ARCHETYPE_A3:
		(instrument->options->gold ? produce_strip : produce_a3)(instrument, out);
		break;
	case ARCHETYPE_A4:
		produce_strip(instrument, out);
		break;
	case ARCHETYPE_A8:
	case ARCHETYPE_A9:
	case ARCHETYPE_A10:
	case ARCHETYPE_JSON:
	case ARCHETYPE_FOLDER:
	case ARCHETYPE_HL7:
	case ARCHETYPE_A7:
		produce_text(instrument, out);
		break;
	case ARCHETYPE_SCANNER: /* it has no results */
		break;
	}
}

void produce(struct instrument *instrument, struct moment now, struct result *out)
{
	*out = (struct result){ .number = instrument->next_number++, .batch = instrument->batch, .tested = now };
	if (repeat_previous(instrument, now, out))
		return;
	produce_anew(instrument, out);
	if (!has_quirk(instrument->options, 18) && out->verdict != RESULT_INVALID)
		out->verdict = RESULT_NONE;
}

void produce_blank_well(struct instrument *instrument, struct moment now, struct result *out)
{
	*out = (struct result){ .use = SLOT_BLANK_WELL,
		.number = instrument->next_number++,
		.batch = instrument->batch,
		.tested = now,
		.channel = take_channel(instrument) };
}
