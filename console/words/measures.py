"""Words of the pages: measures of a grade, and what an alert proposes."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "ms_title": ("分级分类监管措施", "Measures by grade"),
    "ms_hint": (
        "系统只提建议，不作任何惩戒：是否采取由人决定。限制措施仅在有具体失信行为事实并载明法律依据时"
        "列为拟议，所列条款为认定事实的依据，能否据以采取该措施须由人审定。",
        "Proposals only: nothing punishes by itself, people decide. A restriction is proposed only "
        "on concrete facts that cite a law; the law listed is the one the facts were determined "
        "by, and whether it allows the restriction people must check.",
    ),
    "ms_alert_hint": (
        "系统只提建议，不作任何惩戒：是否采取由人决定。",
        "Proposals only: nothing punishes by itself, people decide.",
    ),
    "ms_incentive": ("守信激励", "incentives"),
    "ms_attention": ("检查与关注", "inspection and attention"),
    "ms_restriction": ("限制措施", "restrictions"),
    "ms_principle": ("通则", "holds for all"),
    "ms_withholding": ("激励的暂停", "incentives withheld"),
    "ms_kind": ("类别", "kind"),
    "ms_recommended": ("建议", "recommended"),
    "ms_proposed": ("拟议，待人工决定", "proposed, a person decides"),
    "ms_not_applicable": ("不适用", "not applicable"),
    "ms_withheld": ("暂停享受", "withheld"),
    "ms_until": ("至", "until"),
    "ms_facts": ("事实依据", "facts"),
    "ms_paper": ("政策依据", "policy paper"),
    "ms_by": ("由", "by"),
    "ms_none": ("未评级，无对应措施", "ungraded: no measures"),
}
